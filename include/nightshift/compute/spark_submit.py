"""Jobs by spark-submit: a process of this machine, which is the driver or waits for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nightshift.compute import worker_daemon
from nightshift.compute.job import Job, JobResult, Submission
from nightshift.compute.job_environment import aws_elsewhere, holds_secret, secret_conf, settings_elsewhere
from nightshift.compute.outcome import job_result, new_outcome_uri, read_outcome
from nightshift.compute.scratch import scratch_conf, scratch_flag
from nightshift.compute.waiting_driver import WaitingDriver
from nightshift.errors import TerminalError, TransientError
from nightshift.processes import kill_group, start_group
from nightshift.settings import Settings
from nightshift.settings_names import is_setting, setting_names

# The JVM's best compiler pays after a minute or so. The serial collector leaves memory to the workers.
MANY_NIGHTS = "-XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m -Xshare:auto"
ONE_NIGHT = f"{MANY_NIGHTS} -XX:TieredStopAtLevel=1"
CONNECTS_WITHIN = 10.0  # seconds
WAITING = "waiting"  # the program of a driver that waits for jobs
TAIL = 50  # last lines of a job's log, of which the reason is quoted if the job left none


class SparkSubmit:
    """Submits jobs with the `spark-submit` of this environment.

    Args:
        settings: Where Spark runs and with what configuration.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def start_driver(self) -> Callable[[], None]:
        """Starts a driver that waits for jobs, where jobs share drivers and none is there.

        Returns:
            What ends it, if this call has started it.
        """
        if self.shares_driver and (driver := self._driver()).start():
            return driver.kill
        return lambda: None

    def submit(self, job: Job) -> Submission:
        """Starts a job, in the driver that waits for one, if there is one.

        Raises:
            TerminalError: If there is no spark-submit.
            TransientError: If the master of a standalone cluster does not answer.
        """
        require_master(self.settings.spark.master)
        outcome = new_outcome_uri(self.settings, job.name)
        of_a_night = not job.many_nights and not job.environment
        if self.shares_driver and of_a_night and (submission := self._driver().submit(job, outcome)):
            return submission
        process = start_group([*self.command(job), "--outcome", outcome], self.environment(job))
        return SparkSubmission(job, process, outcome)

    @property
    def shares_driver(self) -> bool:
        """Whether the jobs of a night share a driver; on a cluster it would hold executors while it waits."""
        return self.settings.spark.is_local and self.settings.spark.driver_waits > 0

    def command(self, job: Job) -> list[str]:
        """The spark-submit call.

        Raises:
            TerminalError: If there is no spark-submit.
        """
        spark = self.settings.spark
        program = shutil.which("spark-submit", path=str(Path(sys.executable).parent)) or shutil.which("spark-submit")
        if program is None:
            raise TerminalError("spark-submit is not installed", fix="install the locked requirements: make install")
        conf = {"spark.driver.memory": spark.driver_memory, **self._common_conf(job)}
        conf |= self._local_conf() if spark.is_local else self._cluster_conf(job)
        command, secret = [program, "--master", spark.master], secret_conf(spark.conf)
        for key, value in (conf | spark.conf).items():
            if key not in secret:  # lists of processes show arguments: the job's session sets it
                command += ["--conf", f"{key}={value}"]
        return [*command, str(self.settings.home / "spark_jobs" / f"{job.name}.py"), *job.arguments]

    def environment(self, job: Job) -> dict[str, str]:
        """The environment of a job: ours, with these settings alone and this interpreter for its workers."""
        # Not our own settings: a variable of theirs that these do not set would still be read.
        names = setting_names(Settings)
        inherited = {name: value for name, value in os.environ.items() if not is_setting(name, names)}
        python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        local = {
            "SPARK_LOCAL_IP": "127.0.0.1",
            "OMP_NUM_THREADS": "1",
            "SPARK_LAUNCHER_OPTS": ONE_NIGHT,
            worker_daemon.PROGRAM: job.name,
        }
        if not self.settings.spark.is_local:
            local = {}
        return {**inherited, **self.settings.as_environment(), "PATH": path, **python, **local, **job.environment}

    def _driver(self) -> WaitingDriver:
        program = Job(WAITING)
        return WaitingDriver(self.settings, self.command(program), self.environment(program))

    def _common_conf(self, job: Job) -> dict[str, str]:
        return {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.debug.maxToStringFields": "1000",
            "spark.driver.extraJavaOptions": self._jvm_flags(job),
        }

    def _local_conf(self) -> dict[str, str]:
        return {
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.adaptive.enabled": "false",
            "spark.python.daemon.module": worker_daemon.__name__,
            **scratch_conf(self.settings),
        }

    def _cluster_conf(self, job: Job) -> dict[str, str]:
        # The driver inherits our environment. These variables show in Spark's pages: what is secret stays here, and
        # the workers have it in their own environment or not at all.
        ours = aws_elsewhere(self.environment(job)) | settings_elsewhere(self.settings) | {"OMP_NUM_THREADS": "1"}
        public = {name: value for name, value in ours.items() if not holds_secret(value)}
        return {
            # Adaptive execution joins small partitions of a shuffle; Spark's 200 are many for a night.
            "spark.sql.shuffle.partitions": "64",
            **{f"spark.executorEnv.{name}": value for name, value in public.items()},
        }

    def _jvm_flags(self, job: Job) -> str:
        # Not by SPARK_CONF_DIR: a class archive does not go with folders on the class path.
        logging = (self.settings.home / "spark_jobs" / "log4j2.properties").as_uri()
        logging_flag = f"-Dlog4j2.configurationFile={logging}"
        if not self.settings.spark.is_local:
            return logging_flag
        flags = f"{MANY_NIGHTS if job.many_nights else ONE_NIGHT} {logging_flag}{scratch_flag(self.settings)}"
        archive = class_archive(self.settings)
        return f"{flags} -XX:SharedArchiveFile={archive}" if archive.exists() else flags


class SparkSubmission:
    """A running `spark-submit`.

    Args:
        job: The job.
        process: The process, whose output is its log.
        outcome: Where the job writes its outcome.
    """

    def __init__(self, job: Job, process: subprocess.Popen[str], outcome: str) -> None:
        self.job, self.process, self.outcome = job, process, outcome
        self._tail: deque[str] = deque(maxlen=TAIL)

    def stream(self, write: Callable[[str], None]) -> None:
        """Passes on every line the job prints, as it comes, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._tail.append(line.rstrip())
            write(self._tail[-1])

    def result(self) -> JobResult:
        """How the job ended; see `Submission`."""
        code = self.process.wait()
        last = next((line for line in reversed(self._tail) if line.strip()), "")
        return job_result(self.job.name, read_outcome(self.outcome), code, last)

    def kill(self) -> None:
        """Kills the job with everything it started."""
        kill_group(self.process)


def require_master(master: str) -> None:
    """Requires that a standalone cluster's master answers; a job would give up after a minute and not say why.

    Raises:
        TransientError: If none of its addresses answers.
    """
    if not master.startswith("spark://"):
        return
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        with suppress(OSError, ValueError), socket.create_connection((host, int(port)), CONNECTS_WITHIN):
            return
    raise TransientError(
        "the master does not answer",
        where=f"Spark master {master}",
        fix="start it, or correct NIGHTSHIFT_SPARK__MASTER",
    )


def class_archive(settings: Settings) -> Path:
    """Where the JVM's class archive is; it is made once per installation and halves the start of a job."""
    return settings.spark.class_archive or Path(sys.prefix) / "nightshift-spark.jsa"
