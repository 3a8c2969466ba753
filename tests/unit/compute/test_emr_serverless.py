"""Jobs on EMR Serverless, against an endpoint of the tests' own that runs a line of Python for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from emr_serverless import EmrServerlessEndpoint, Refusal, serving

from nightshift.compute.deployed_code import DeployedCode, deploy
from nightshift.compute.emr_serverless import EmrServerless, EmrServerlessRun
from nightshift.compute.job import Job, JobState, complete, find_submitter
from nightshift.errors import NightshiftError, TerminalError, TransientError
from nightshift.settings import CatalogSettings, EmrSettings, Settings, SparkSettings

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::123456789012:role/jobs"
JOB = Job("features", ("--model", "tiny", "--attempt", "2024-01-05-a"), attempt="2024-01-05-a")

# What a job writes last, into the file that its last argument names.
OUTCOME = """
import json, os, sys
os.makedirs(os.path.dirname(sys.argv[-1].removeprefix("file://")))
with open(sys.argv[-1].removeprefix("file://"), "w") as file:
    json.dump({{"staged": {staged!r}, "error": {error!r}, "transient": {transient!r}}}, file)
"""
WELL = OUTCOME.format(staged=["file:///tiles", "file:///features"], error="", transient=False)


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where this code is deployed."""
    return tmp_path_factory.mktemp("code")


@pytest.fixture
def on_emr(settings: Settings, code: Path) -> Settings:
    """Settings whose jobs run on EMR Serverless; they look at them without waiting."""
    spark = SparkSettings(master="emr-serverless://00app", code=str(code))
    emr = EmrSettings(role_arn=ROLE, log_uri="s3://bucket/logs", packages="image", poll=0.02)
    chosen = settings.model_copy(update={"spark": spark, "emr": emr})
    deploy(chosen, lambda line: None)
    return chosen


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmrServerlessEndpoint]:
    endpoint = EmrServerlessEndpoint(tmp_path / "runs", program=WELL)
    with serving(endpoint) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_SERVERLESS", address)
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-key")
        yield endpoint


def submitted(settings: Settings, job: Job = JOB) -> EmrServerlessRun:
    submitter = find_submitter(settings)
    assert isinstance(submitter, EmrServerless)
    return submitter.submit(job)


def failure(settings: Settings, job: Job = JOB) -> NightshiftError:
    with pytest.raises(NightshiftError) as caught:
        complete(submitted(settings, job), lambda line: None)
    return caught.value


def with_emr(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"emr": settings.emr.model_copy(update=changes)})


def with_spark(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"spark": settings.spark.model_copy(update=changes)})


# ---- what is submitted


def test_a_job_gives_the_sets_it_staged_and_says_how_it_goes(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    lines: list[str] = []
    assert complete(submitted(on_emr), lines.append).staged == ("file:///tiles", "file:///features")
    logs = "s3://bucket/logs/applications/00app/jobs/00run1/"
    states = ["features: waiting", "features: running", "features: succeeded"]
    assert lines == [f"EMR Serverless job run 00app/00run1; logs: {logs}", *states]
    request = endpoint.runs["00run1"].request
    assert request["executionRoleArn"] == ROLE and request["name"] == "features-2024-01-05-a"
    assert "DELETE" not in endpoint.calls


def test_nothing_secret_is_in_what_is_submitted(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "test-token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example.com")
    submitted(on_emr)
    sent = json.dumps(endpoint.runs["00run1"].request)
    assert not [secret for secret in ("test-id", "test-key", "test-token", "ALERTS") if secret in sent]
    properties = endpoint.runs["00run1"].properties
    for prefix in ("spark.emr-serverless.driverEnv.", "spark.executorEnv."):
        assert properties[f"{prefix}NIGHTSHIFT_WAREHOUSE"] == on_emr.warehouse_uri
        assert properties[f"{prefix}AWS_ENDPOINT_URL_S3"] == "http://s3.example.com"
        assert properties[f"{prefix}PYTHONPATH"] == "./nightshift_code/include"
        assert not {f"{prefix}NIGHTSHIFT_{name}" for name in ("HOME", "VAR", "SPARK", "EMR")} & set(properties)


def test_a_secret_setting_is_refused_until_it_comes_from_elsewhere(
    on_emr: Settings, endpoint: EmrServerlessEndpoint
) -> None:
    catalog = CatalogSettings(uri="postgresql+psycopg2://nightshift:hunter2@db/catalog")
    chosen = on_emr.model_copy(update={"catalog": catalog})
    with pytest.raises(TerminalError) as caught:
        submitted(chosen)
    assert str(caught.value).startswith("environment variable NIGHTSHIFT_CATALOG: it holds a password or a key")
    assert "hunter2" not in str(caught.value) and not endpoint.runs
    name = "spark.emr-serverless.driverEnv.NIGHTSHIFT_CATALOG"
    submitted(with_spark(chosen, conf={name: "EMR.secret@catalog"}))
    properties = endpoint.runs["00run1"].properties
    assert properties[name] == "EMR.secret@catalog" and "spark.executorEnv.NIGHTSHIFT_CATALOG" not in properties


def test_spark_settings_that_are_secret_are_kept_in_secrets_manager(
    on_emr: Settings, endpoint: EmrServerlessEndpoint
) -> None:
    key = "spark.hadoop.fs.s3a.secret.key"
    with pytest.raises(TerminalError, match=f"{key} in NIGHTSHIFT_SPARK__CONF: it is a password or a key") as caught:
        submitted(with_spark(on_emr, conf={key: "hunter2"}))
    assert "hunter2" not in str(caught.value) and not endpoint.runs
    submitted(with_spark(on_emr, conf={key: "EMR.secret@key", "spark.hadoop.fs.s3a.aws.credentials.provider": "A"}))
    assert endpoint.runs["00run1"].properties[key] == "EMR.secret@key"


def test_the_packages_that_were_deployed_are_the_jobs(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    submitter = find_submitter(on_emr)
    assert isinstance(submitter, EmrServerless)
    request = submitter.request(JOB, DeployedCode("s3://bucket/code-1", "s3://bucket/packages-1.tar.gz"))
    [classification] = request["configurationOverrides"]["applicationConfiguration"]
    properties = classification["properties"]
    assert properties["spark.archives"] == (
        "s3://bucket/code-1/code.tar.gz#nightshift_code,s3://bucket/packages-1.tar.gz#nightshift_packages"
    )
    python = "./nightshift_packages/bin/python"
    assert properties["spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON"] == python
    assert properties["spark.executorEnv.PYSPARK_PYTHON"] == python
    assert request["jobDriver"]["sparkSubmit"]["entryPoint"] == "s3://bucket/code-1/spark_jobs/features.py"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"master": "emr-serverless://Not an id"}, "NIGHTSHIFT_SPARK__MASTER: this is no application of EMR"),
        ({"code": None}, "NIGHTSHIFT_SPARK__CODE: jobs elsewhere need this installation's code"),
    ],
)
def test_what_is_not_set_is_one_clear_line(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(TerminalError, match=message):
        submitted(with_spark(on_emr, **change))


def test_a_role_and_a_region_are_needed(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(TerminalError, match="NIGHTSHIFT_EMR__ROLE_ARN: jobs on EMR Serverless need a role"):
        submitted(with_emr(on_emr, role_arn=None))
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(TerminalError, match="no region is set; allowed: AWS_REGION="):
        submitted(on_emr)


def test_a_job_whose_code_is_not_deployed_is_one_clear_line(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, tmp_path: Path
) -> None:
    error = failure(with_spark(on_emr, code=str(tmp_path / "elsewhere")))
    assert isinstance(error, TerminalError) and not endpoint.calls
    assert "code.tar.gz: the code of this installation is not deployed; fix: nightshift deploy" in str(error)


# ---- once


def test_the_same_attempt_is_one_run(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    first, second = submitted(on_emr), submitted(on_emr)
    assert first.run == second.run and len(endpoint.runs) == 1
    assert submitted(on_emr, Job("features", attempt="2024-01-05-b")).run != first.run
    without = [submitted(on_emr, Job("audit")).run for _ in range(2)]
    assert len({*without}) == 2


def test_a_submission_whose_reply_is_lost_is_not_done_twice(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    endpoint.lost_replies = 1
    assert complete(submitted(on_emr), lambda line: None).staged
    assert endpoint.calls.count("POST") == 2 and len(endpoint.runs) == 1


def test_another_process_finds_the_run_and_its_result(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    run = submitted(on_emr).run
    found = EmrServerless(on_emr).find(Job("features", attempt=JOB.attempt), run)
    while found.poll().active:
        pass
    assert found.result().staged == ("file:///tiles", "file:///features")
    assert endpoint.calls.count("POST") == 1


# ---- how it fails


def test_the_error_of_a_failed_job_is_the_one_in_its_outcome(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    endpoint.program = OUTCOME.format(staged=[], error="the model is gone", transient=False) + "sys.exit(2)"
    error = failure(on_emr)
    assert isinstance(error, TerminalError) and str(error) == "the model is gone"
    endpoint.program = OUTCOME.format(staged=[], error="the store is away", transient=True) + "sys.exit(75)"
    error = failure(on_emr, Job("features", attempt="second"))
    assert isinstance(error, TransientError) and str(error) == "the store is away"


@pytest.mark.parametrize(("exit_code", "state"), [(137, "failed"), (0, "succeeded")])
def test_a_job_that_left_no_outcome_is_quoted_with_what_emr_says_and_its_logs(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, exit_code: int, state: str
) -> None:
    endpoint.program = f"raise SystemExit({exit_code})"
    error = failure(on_emr)
    assert isinstance(error, TransientError)
    assert f"EMR Serverless job run 00app/00run1: Spark job features {state} and left no outcome: " in str(error)
    assert ("ExitCode: 137" in str(error)) == (exit_code == 137)
    assert str(error).endswith("; logs: s3://bucket/logs/applications/00app/jobs/00run1/")


def test_throttling_is_waited_out_when_a_job_starts_and_while_it_runs(
    on_emr: Settings, endpoint: EmrServerlessEndpoint
) -> None:
    endpoint.refusals = [Refusal(429, "ThrottlingException")]
    run = submitted(on_emr)
    endpoint.refusals = [Refusal(503, "ServiceUnavailable")]
    assert complete(run, lambda line: None).staged and len(endpoint.runs) == 1


@pytest.mark.parametrize(
    ("refusal", "kind", "message"),
    [
        (Refusal(403, "AccessDeniedException"), TerminalError, "fix: allow this role what docs/production.md lists"),
        (Refusal(403, "ExpiredTokenException"), TransientError, "fix: renew the credentials"),
        (Refusal(409, "ConflictException"), TerminalError, "application 00app: An error occurred (ConflictException)"),
    ],
)
def test_what_the_service_refuses_is_one_clear_line(
    on_emr: Settings, endpoint: EmrServerlessEndpoint, refusal: Refusal, kind: type[NightshiftError], message: str
) -> None:
    endpoint.refusals = [refusal]
    error = failure(on_emr)
    assert type(error) is kind and message in str(error)


def test_an_unknown_application_is_one_clear_line(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    error = failure(with_spark(on_emr, master="emr-serverless://00gone"))
    assert isinstance(error, TerminalError)
    assert "application 00gone: An error occurred (ResourceNotFoundException)" in str(error)
    assert "Application does not exist; fix: correct the application's id" in str(error)


def test_a_job_that_never_starts_is_cancelled_and_reported(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    endpoint.starts = False
    error = failure(on_emr)
    assert isinstance(error, TransientError)
    assert "features did not start within 1800 s and is cancelled; received 'PENDING'; fix: raise" in str(error)
    assert endpoint.runs["00run1"].state == "CANCELLED" and endpoint.calls.count("DELETE") == 1


def test_killing_a_job_cancels_its_run(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    endpoint.program = "import time; time.sleep(600)"
    run = submitted(on_emr)
    while run.poll() is not JobState.RUNNING:
        pass
    process = endpoint.runs["00run1"].process
    assert process is not None
    run.kill()
    assert process.poll() is not None and run.poll() is JobState.CANCELLED
    run.kill()
    with pytest.raises(TransientError, match="Spark job features cancelled and left no outcome: EMR gives no reason"):
        run.result()
    assert endpoint.calls.count("DELETE") == 1


def test_an_error_while_a_job_is_waited_for_cancels_it(on_emr: Settings, endpoint: EmrServerlessEndpoint) -> None:
    def write(line: str) -> None:
        if "waiting" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        complete(submitted(on_emr), write)
    assert endpoint.runs["00run1"].state == "CANCELLED"
