"""A submitter for tests: jobs run in this process, in its Spark session, which spares each of them a JVM."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import redirect_stdout

import pytest
from pyspark import SparkContext

from nightshift.compute.job import TRANSIENT, Job, JobResult
from nightshift.compute.outcome import job_result, new_outcome_uri, read_outcome
from nightshift.compute.serve_jobs import run_program
from nightshift.settings import Settings, get_settings


class SharedSession:
    """Runs the same programs with the same arguments and settings as `spark-submit` does."""

    settings_in_workers = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def submit(self, job: Job) -> SharedSessionJob:
        return SharedSessionJob(self.settings, job, self.settings_in_workers)


class SettingsInWorkers(SharedSession):
    """Gives the settings to Spark's Python workers too, for code of a definition that reads them; it restarts them."""

    settings_in_workers = True


class SharedSessionJob:
    """A job that runs when its log is read."""

    def __init__(self, settings: Settings, job: Job, settings_in_workers: bool) -> None:
        self.settings, self.job, self.settings_in_workers = settings, job, settings_in_workers
        self.code = 0
        self.outcome = new_outcome_uri(settings, job.name)

    def stream(self, write: Callable[[str], None]) -> None:
        program = self.settings.home / "spark_jobs" / f"{self.job.name}.py"
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("NIGHTSHIFT_")]:
                patch.delenv(name)
            for name, value in (self.settings.as_environment() | dict(self.job.environment)).items():
                patch.setenv(name, value)
            if self.settings_in_workers:
                context = SparkContext.getOrCreate()
                names = {name: value for name, value in os.environ.items() if name.startswith("NIGHTSHIFT_")}
                patch.setattr(context, "environment", context.environment | names)
            get_settings.cache_clear()
            try:
                with redirect_stdout(io.StringIO()) as log:
                    code = run_program(program, [*self.job.arguments, "--outcome", self.outcome])
                assert code in {0, 1, 2, TRANSIENT}, code
                self.code = code
            finally:
                get_settings.cache_clear()
                for line in log.getvalue().splitlines():
                    write(line)

    def result(self) -> JobResult:
        return job_result(self.job.name, read_outcome(self.outcome), self.code, "")

    def kill(self) -> None:
        """It has ended."""
