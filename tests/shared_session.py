"""A submitter for tests: jobs run in this process, in its Spark session, which spares each of them a JVM."""

from __future__ import annotations

import io
import os
import runpy
import sys
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest

from nightshift.compute.job import TRANSIENT, Job, JobResult
from nightshift.compute.outcome import new_outcome_uri, read_outcome
from nightshift.settings import Settings, get_settings


class SharedSession:
    """Runs the same programs with the same arguments and settings as `spark-submit` does."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def submit(self, job: Job) -> SharedSessionJob:
        return SharedSessionJob(self.settings, job)


class SharedSessionJob:
    """A job that runs when its log is read."""

    def __init__(self, settings: Settings, job: Job) -> None:
        self.settings, self.job = settings, job
        self.outcome = new_outcome_uri(settings, job.name)

    def stream(self, write: Callable[[str], None]) -> None:
        program = self.settings.home / "spark_jobs" / f"{self.job.name}.py"
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("NIGHTSHIFT_")]:
                patch.delenv(name)
            for name, value in (self.settings.as_environment() | dict(self.job.environment)).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", [str(program), *self.job.arguments, "--outcome", self.outcome])
            get_settings.cache_clear()
            try:
                with redirect_stdout(io.StringIO()) as log:
                    runpy.run_path(str(program), run_name="__main__")
            except SystemExit as end:
                assert end.code in {1, 2, TRANSIENT}, end
            finally:
                get_settings.cache_clear()
                for line in log.getvalue().splitlines():
                    write(line)

    def result(self) -> JobResult:
        outcome = read_outcome(self.outcome)
        assert outcome is not None
        outcome.raise_error()
        return JobResult(outcome.staged)

    def kill(self) -> None:
        """It has ended."""
