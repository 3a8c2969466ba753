"""Submits a Spark job and stays with it: its lines stream out, and it never outlives its caller."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from nightshift.errors import TerminalError, TransientError
from nightshift.processes import kill_group, start_group
from nightshift.settings import Settings

TEMPORARY_FAILURE = 75  # sysexits' EX_TEMPFAIL: what spark_jobs/job.py ends with when a retry may help
# How a job tells its submitter what it staged, how far it is, and that it begins to work (spark_jobs/job.py).
STAGED, PROGRESS, READY = "staged set: ", "progress: ", "session ready"
# The JVM's best compiler pays after a minute or so. The serial collector keeps memory for the workers.
LONG_JOB = "-XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -Xshare:auto"
SHORT_JOB = f"{LONG_JOB} -XX:TieredStopAtLevel=1"


class SparkSubmit:
    """One submission of a job in `spark_jobs/`.

    Args:
        settings: Where Spark runs and with what configuration.
        job: The job's file name without ending.
        arguments: What the job's own command line takes.
        long: Whether it works on many nights, so that it pays to compile well.
        environment: Variables it needs beside the settings.
    """

    def __init__(
        self,
        settings: Settings,
        job: str,
        arguments: list[str],
        *,
        long: bool = False,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.settings, self.job, self.arguments = settings, job, arguments
        self._extra = environment
        self._jvm = LONG_JOB if long else SHORT_JOB
        self._process: subprocess.Popen[str] | None = None

    def run(self, write: Callable[[str], None]) -> list[str]:
        """Runs the job to its end.

        Args:
            write: Takes each line the job prints, as it comes.

        Returns:
            The locations of the sets it staged, in the order in which they are to be published.

        Raises:
            TerminalError: If the job failed and would fail again; the message is the job's own last line.
            TransientError: If it may succeed when tried again.
        """
        tail: deque[str] = deque(maxlen=50)
        staged: list[str] = []
        self._process = start_group(self.command(), self.environment())
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                tail.append(line.rstrip())
                if line.startswith(STAGED):
                    staged.append(tail[-1].removeprefix(STAGED))
                else:
                    write(tail[-1])
            code = self._process.wait()
        except BaseException:
            self.kill()
            raise
        if code:
            self._fail(code, tail)
        return staged

    def kill(self) -> None:
        """Kills the job with everything it started."""
        if self._process is not None:
            kill_group(self._process)

    def command(self) -> list[str]:
        """The spark-submit call."""
        spark = self.settings.spark
        submit = shutil.which("spark-submit", path=str(Path(sys.executable).parent)) or shutil.which("spark-submit")
        if submit is None:
            raise TerminalError("spark-submit is not installed", fix="install the locked requirements: make install")
        conf = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.adaptive.enabled": "false",
            "spark.sql.debug.maxToStringFields": "1000",
            # Looking at files takes longer as a job than as a loop while they lie on this machine.
            "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
            "spark.driver.memory": spark.driver_memory,
            "spark.driver.extraJavaOptions": self._jvm_flags(),
        }
        if not spark.master.startswith("local"):
            conf = {"spark.driver.memory": spark.driver_memory}
        command = [submit, "--master", spark.master]
        for key, value in (conf | spark.conf).items():
            command += ["--conf", f"{key}={value}"]
        return [*command, str(self.settings.home / "spark_jobs" / f"{self.job}.py"), *self.arguments]

    def environment(self) -> dict[str, str]:
        """The environment of the job: ours, with these settings alone and this interpreter for its workers."""
        # Not our own settings: a variable of theirs that these do not set would still be read.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("NIGHTSHIFT_")}
        python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
        local = {"SPARK_LOCAL_IP": "127.0.0.1", "OMP_NUM_THREADS": "1", "SPARK_LAUNCHER_OPTS": SHORT_JOB}
        quiet = {"PYTHONUNBUFFERED": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        own = local if self.settings.spark.master.startswith("local") else {}
        return {**inherited, **self.settings.as_environment(), "PATH": path, **python, **quiet, **own, **self._extra}

    def _jvm_flags(self) -> str:
        # Not by SPARK_CONF_DIR: a class archive does not go with folders on the class path.
        logging = (self.settings.home / "spark_jobs" / "log4j2.properties").as_uri()
        flags = f"{self._jvm} -Dlog4j2.configurationFile={logging}"
        archive = class_archive(self.settings)
        return f"{flags} -XX:SharedArchiveFile={archive}" if archive.exists() else flags

    def _fail(self, code: int, tail: deque[str]) -> None:
        said = [line.removeprefix("error: ") for line in tail if line.startswith("error: ")]
        last = next((line for line in reversed(tail) if line.strip()), "it printed nothing")
        message = said[-1] if said else f"Spark job {self.job} ended with exit code {code}: {last}"
        raise (TransientError if code == TEMPORARY_FAILURE or code < 0 else TerminalError)(message)


def class_archive(settings: Settings) -> Path:
    """Where the JVM's class archive is; it is made once per installation and halves the start of a job."""
    return settings.spark.class_archive or Path(sys.prefix) / "nightshift-spark.jsa"
