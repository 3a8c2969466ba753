"""Jobs on EMR Serverless: they run on without the process that submitted them, and can be found by another."""

from __future__ import annotations

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential_jitter

from nightshift.aws import aws_region
from nightshift.compute.deployed_code import DeployedCode, deployed_code
from nightshift.compute.job import Job, JobResult, JobState
from nightshift.compute.job_environment import aws_elsewhere, holds_secret, secret_conf, settings_elsewhere
from nightshift.compute.outcome import JobOutcome, outcome_uri, read_outcome
from nightshift.errors import TerminalError, TransientError, shown
from nightshift.service_errors import explain_at
from nightshift.settings import Settings

SCHEME = "emr-serverless://"
DRIVER, EXECUTOR = "spark.emr-serverless.driverEnv.", "spark.executorEnv."
CODE, PACKAGES = "nightshift_code", "nightshift_packages"  # the archives' folders, in each process's working folder
STATES = {
    **dict.fromkeys(("SUBMITTED", "QUEUED", "PENDING", "SCHEDULED"), JobState.WAITING),
    "RUNNING": JobState.RUNNING,
    "SUCCESS": JobState.SUCCEEDED,
    "FAILED": JobState.FAILED,
    **dict.fromkeys(("CANCELLING", "CANCELLED"), JobState.CANCELLED),
}
# Answers of this service that another try does not change, with what does.
REFUSED = {
    "ResourceNotFoundException": "correct the application's id in NIGHTSHIFT_SPARK__MASTER, or AWS_REGION",
    "ValidationException": "correct the settings of NIGHTSHIFT_EMR and NIGHTSHIFT_SPARK that it names",
    "ConflictException": "start the application, or let it start itself; of an attempt that was submitted with other "
    "settings before, cancel its job run and clear the task",
}
SECRETS_MANAGER = "EMR.secret@"  # how a setting names a secret that EMR reads for the job
CALLS = 5  # at most, of one request to the service, with the back-off of botocore's standard mode
PATIENCE = 300.0  # seconds without an answer after which a running job is no longer asked for


class EmrServerless:
    """Submits jobs to the application of EMR Serverless that is the settings' master.

    Args:
        settings: The application, the role, and where the deployed code is.

    Raises:
        TerminalError: If they name no application, no role or no region.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.application = settings, settings.spark.master.removeprefix(SCHEME)
        if not re.fullmatch(r"[0-9a-z]{1,64}", self.application):
            raise TerminalError(
                "this is no application of EMR Serverless",
                where="environment variable NIGHTSHIFT_SPARK__MASTER",
                received=settings.spark.master,
                allowed="emr-serverless:// and an application's id, such as emr-serverless://00f1r4v3kq1r2g09",
                fix="take the id from EMR Studio",
            )
        if settings.emr.role_arn is None:
            raise TerminalError(
                "jobs on EMR Serverless need a role to run as",
                where="environment variable NIGHTSHIFT_EMR__ROLE_ARN",
                allowed="an ARN such as arn:aws:iam::123456789012:role/nightshift-jobs",
                fix="set it",
            )
        with _explained("the AWS environment"):
            # A session of its own: boto3's default one is not made for several threads.
            config = Config(retries={"mode": "standard", "total_max_attempts": CALLS})
            self.client = Session(region_name=aws_region()).client("emr-serverless", config=config)

    def submit(self, job: Job) -> EmrServerlessRun:
        """Starts a job, or returns the run that its attempt started already.

        Raises:
            TerminalError: If the code is not deployed, a setting is secret, or the service refuses the job.
            TransientError: If the service is not to be reached.
        """
        job = job if job.attempt else Job(**{**vars(job), "attempt": uuid.uuid4().hex[:12]})
        request = self.request(job, deployed_code(self.settings))
        with _explained(f"EMR Serverless application {self.application}"):
            started = self.client.start_job_run(**request)
        return self.find(job, f"{self.application}/{started['jobRunId']}")

    def find(self, job: Job, run: str) -> EmrServerlessRun:
        """A job that was submitted by this or another process."""
        return EmrServerlessRun(self.settings, self.client, job, run)

    def request(self, job: Job, code: DeployedCode) -> dict[str, Any]:
        """What starts a job: the same attempt gives the same request, which the service takes once.

        Raises:
            TerminalError: If a setting that the job needs is secret.
        """
        outcome = outcome_uri(self.settings, job.name, job.attempt)
        spark_submit = {
            "entryPoint": code.program(job.name),
            "entryPointArguments": [*job.arguments, "--outcome", outcome],
        }
        conf = self.settings.spark.conf
        for key in (key for key, value in secret_conf(conf).items() if not value.startswith(SECRETS_MANAGER)):
            raise TerminalError(
                "it is a password or a key, and EMR shows the settings of a job",
                where=f"{key} in NIGHTSHIFT_SPARK__CONF",
                allowed="settings without secrets: the job's role gives it access to AWS",
                fix=f"keep the value in Secrets Manager and set it to {SECRETS_MANAGER}<its name>",
            )
        properties = self._environment(job) | self._code_conf(code) | conf
        overrides: dict[str, Any] = {
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": properties}]
        }
        if logs := self.settings.emr.log_uri:
            overrides["monitoringConfiguration"] = {"s3MonitoringConfiguration": {"logUri": logs}}
        name = f"{job.name}-{job.attempt}"
        return {
            "applicationId": self.application,
            "clientToken": name,
            "name": name,
            "executionRoleArn": self.settings.emr.role_arn,
            "jobDriver": {"sparkSubmit": spark_submit},
            "configurationOverrides": overrides,
        }

    def _environment(self, job: Job) -> dict[str, str]:
        shared = aws_elsewhere(os.environ) | settings_elsewhere(self.settings)
        driver = {**shared, **job.environment, "PYTHONUNBUFFERED": "1"}
        given = [key.removeprefix(DRIVER) for key in self.settings.spark.conf if key.startswith(DRIVER)]
        for name in [name for name, value in driver.items() if holds_secret(value)]:
            if name not in given:
                raise TerminalError(
                    "it holds a password or a key, and EMR shows the settings of a job",
                    where=f"environment variable {name}",
                    allowed="settings without secrets: the job's role gives it access to AWS",
                    fix=f"keep the value in Secrets Manager and set {DRIVER}{name} to {SECRETS_MANAGER}<its name> in "
                    "NIGHTSHIFT_SPARK__CONF",
                )
            del driver[name]
        executors = {name: value for name, value in shared.items() if not holds_secret(value)}
        executors["OMP_NUM_THREADS"] = "1"
        return _prefixed(DRIVER, driver) | _prefixed(EXECUTOR, executors)

    def _code_conf(self, code: DeployedCode) -> dict[str, str]:
        # Both archives are unpacked in the working folder of the driver and of every executor.
        variables, archives = {"PYTHONPATH": f"./{CODE}/include"}, [f"{code.archive}#{CODE}"]
        if code.packages:
            variables["PYSPARK_PYTHON"] = f"./{PACKAGES}/bin/python"
            archives.append(f"{code.packages}#{PACKAGES}")
        conf = _prefixed(DRIVER, variables) | _prefixed(EXECUTOR, variables)
        if code.packages:
            conf[f"{DRIVER}PYSPARK_DRIVER_PYTHON"] = variables["PYSPARK_PYTHON"]
        if "driver_memory" in self.settings.spark.model_fields_set:
            conf["spark.driver.memory"] = self.settings.spark.driver_memory
        return conf | {"spark.archives": ",".join(archives)}


class EmrServerlessRun:
    """A job run of EMR Serverless.

    Args:
        settings: How long it may wait to start, and where logs go.
        client: The service.
        job: The job, with its attempt.
        run: The ids of the application and of the job run, with a slash between them.
    """

    def __init__(self, settings: Settings, client: Any, job: Job, run: str) -> None:
        self.settings, self.client, self.job, self.run = settings, client, job, run
        application, _, job_run = run.partition("/")
        self._ids = {"applicationId": application, "jobRunId": job_run}
        self._ended = False

    @cached_property
    def logs(self) -> str:
        """Where its logs are: a folder, or what to look for in EMR Studio."""
        application, job_run = self._ids.values()
        if root := self.settings.emr.log_uri:
            return f"{root.rstrip('/')}/applications/{application}/jobs/{job_run}/"
        return f"EMR Studio, application {application}, job run {job_run}"

    def poll(self) -> JobState:
        """How far it is; see `RemoteSubmission`."""
        state, _ = self._look()
        return state

    def stream(self, write: Callable[[str], None]) -> None:
        """Says how the job's state changes until it ends; its log is elsewhere."""
        write(f"EMR Serverless job run {self.run}; logs: {self.logs}")
        last: JobState | None = None
        for pause in self.pauses():
            state = self.poll()
            if state is not last:
                write(f"{self.job.name}: {state}")
                last = state
            if not state.active:
                return
            time.sleep(pause)

    def result(self) -> JobResult:
        """How the job ended; see `Submission`."""
        (state, details), outcome = self._look(), self._outcome()
        if outcome is not None:
            outcome.raise_error()
            if state is JobState.SUCCEEDED:
                return JobResult(outcome.staged)
        # Whatever goes wrong in a job is in its outcome. Without one it never ran, or was killed under way: lost
        # machines, too little memory, an archive or an image that does not start.
        left = "" if outcome else " and left no outcome"
        raise TransientError(
            f"Spark job {self.job.name} {state}{left}: {details or 'EMR gives no reason'}; logs: {self.logs}",
            where=f"EMR Serverless job run {self.run}",
        )

    def pauses(self) -> Iterator[float]:
        """Seconds to wait between two looks at it: few at first, for a job that fails at once."""
        longest = self.settings.emr.poll
        pause = min(1.0, longest)
        while True:
            yield pause
            pause = min(pause * 1.5, longest)

    def kill(self) -> None:
        """Cancels the job run, if it has not ended."""
        if self._ended:
            return
        refused = self.client.exceptions
        ended = (refused.ValidationException, refused.ResourceNotFoundException)  # by itself meanwhile
        with _explained(f"EMR Serverless job run {self.run}"), suppress(*ended):
            self.client.cancel_job_run(**self._ids)
        self._ended = True

    def _outcome(self) -> JobOutcome | None:
        return read_outcome(outcome_uri(self.settings, self.job.name, self.job.attempt))

    def _look(self) -> tuple[JobState, str]:
        """How far it is, and what the service says about that.

        Raises:
            TransientError: If it does not start in time, or the service does not answer for a while.
            TerminalError: If the service refuses to answer.
        """
        reply = self._describe()
        described = reply["jobRun"]
        state, details = STATES[described["state"]], _quoted(described.get("stateDetails"))
        self._ended = state in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
        limit = self.settings.emr.start_within
        if state is JobState.WAITING and _age(reply) >= limit:
            self.kill()
            raise TransientError(
                f"Spark job {self.job.name} did not start within {limit} s and is cancelled",
                where=f"EMR Serverless job run {self.run}",
                received=f"{described['state']} {details}".strip(),
                fix="raise the application's maximum capacity or the account's quota of vCPUs, or "
                "NIGHTSHIFT_EMR__START_WITHIN",
            )
        return state, details

    def _describe(self) -> dict[str, Any]:
        for call in Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_exponential_jitter(1, 60),
            stop=stop_after_delay(PATIENCE),
            reraise=True,
        ):
            with call, _explained(f"EMR Serverless job run {self.run}"):
                return dict(self.client.get_job_run(**self._ids))
        raise AssertionError("the last try returns or raises")


def _prefixed(prefix: str, variables: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}{name}": value for name, value in variables.items()}


def _age(reply: dict[str, Any]) -> float:
    """Seconds since a run was submitted, by the service's own clock: ours may be another."""
    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
    now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    return float((now - reply["jobRun"]["createdAt"]).total_seconds())


def _quoted(text: str | None) -> str:
    """The first line of what the service says."""
    return shown((text or "").strip().partition("\n")[0])


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
        if code in REFUSED:
            raise TerminalError(_quoted(str(error)), where=where, fix=REFUSED[code]) from None
        raise explain_at(where, error) from None
