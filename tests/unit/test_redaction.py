"""What is secret stays out of messages, of the settings' own text, of alerts and of the arguments of processes."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from servers import free_port

from nightshift.alerts.alert import AlertRun, failed_run_alert
from nightshift.alerts.deliver import deliver, read_alerts
from nightshift.alerts.failures import read_failures, record_failure
from nightshift.compute.job import Job
from nightshift.compute.spark_submit import SparkSubmit
from nightshift.errors import DataError, NightshiftError, TerminalError, first_line, shown
from nightshift.lake.catalog import Lake
from nightshift.redaction import redacted
from nightshift.registry.store import Registry
from nightshift.service_errors import explain
from nightshift.settings import (
    AlertSettings,
    CatalogSettings,
    ServingSettings,
    Settings,
    SmtpSettings,
    SparkSettings,
    read_environment,
)
from nightshift.state import open_state

PLANTED = "pl4nted-s3cret"
ADDRESS = f"postgresql+psycopg2://nightshift:{PLANTED}@127.0.0.1:{{port}}/db"


def settings_with_secrets(settings: Settings, port: int = 1) -> Settings:
    """An installation with a secret in every setting that may have one."""
    address, secret = ADDRESS.format(port=port), SecretStr(PLANTED)
    changed = {
        "state": address,
        "mlflow_uri": f"http://admin:{PLANTED}@127.0.0.1:{port}",
        "catalog": CatalogSettings(uri=address, properties={"s3.secret-access-key": PLANTED}),
        "spark": SparkSettings(conf={"spark.hadoop.fs.s3a.secret.key": PLANTED, "spark.a": "1"}),
        "alerts": AlertSettings(
            webhook_url=SecretStr(f"http://127.0.0.1:{port}/hooks/{PLANTED}"),
            smtp=SmtpSettings(host="127.0.0.1", port=port, to=["on@call.example"], user="u", password=secret),
        ),
        "serving": ServingSettings(tokens={"shop": secret}),
        "connections": {"shop": SecretStr(f"postgresql://shop:{PLANTED}@127.0.0.1:{port}/shop")},
    }
    return settings.model_copy(update=changed).model_copy(update={"var": settings.var})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at postgresql+psycopg2://u:pw@host:5432/db now", "at postgresql+psycopg2://u:***@host:5432/db now"),
        ("http://:pw@host", "http://:***@host"),
        ("u://a:p@w@host, v://b:q/w@host", "u://a:***@host, v://b:***@host"),
        ("'https://u:12345678@host/'", "'https://u:***@host/'"),
        ("https://host/?user=u&password=pw&x=1#f", "https://host/?user=u&password=***&x=1#f"),
        ("s3://bucket/a?AWSAccessKeyId=x&X-Amz-Security-Token=t", "s3://bucket/a?AWSAccessKeyId=***&X-Amz-Security-Token=***"),
        ("http://127.0.0.1:8080/dags/x@y", "http://127.0.0.1:8080/dags/x@y"),
        ("s3://bucket/key=1/a@b", "s3://bucket/key=1/a@b"),
        ("no address: a token, user@host", "no address: a token, user@host"),
    ],
)  # fmt: skip
def test_addresses_are_without_passwords(text: str, expected: str) -> None:
    assert redacted(text) == expected


@given(st.text(st.characters(blacklist_categories=("Z", "C"), blacklist_characters="'\""), min_size=1))
@example("p/w")
@example("p@w")
@example("p:w?x#y")
def test_whatever_a_password_is_it_is_hidden(password: str) -> None:
    marked = f"{PLANTED}{password}{PLANTED}"
    for address in (f"http://u:{marked}@host/path", f"postgresql://u:{quote(marked, safe='')}@host/db?x=1"):
        for message in (
            str(TerminalError(f"{address} does not answer", where=address, received=address, fix="x")),
            str(DataError("p", received={"uri": address})),
            shown(address),
            first_line(OSError(address)),
        ):
            assert PLANTED not in message and "host" in message


def test_an_errors_own_fields_have_none_either() -> None:
    error = TerminalError(ADDRESS, where=ADDRESS)
    assert PLANTED not in error.problem + str(error.where)


def test_the_settings_text_has_no_secret(settings: Settings) -> None:
    chosen = settings_with_secrets(settings)
    assert chosen.secrets >= {PLANTED, f"http://127.0.0.1:1/hooks/{PLANTED}"}
    for text in (repr(chosen), str(chosen), f"{chosen.alerts} {chosen.catalog!r} {chosen.spark} {chosen.serving}"):
        assert PLANTED not in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTSHIFT_CONNECTIONS", PLANTED),
        ("NIGHTSHIFT_CATALOG__PROPERTIES", f'{{"password": "{PLANTED}"'),
        ("NIGHTSHIFT_SERVING__TOKENS", f'["{PLANTED}"]'),
        ("NIGHTSHIFT_SERVING__TOKENS__SHOP", f"{PLANTED} with spaces"),
        ("NIGHTSHIFT_SPARK__DRIVER_MEMORY", PLANTED),
        ("NIGHTSHIFT_ALERTS__SMTP__PASSWORD", f'{{"{PLANTED}": 1}}'),
    ],
)
def test_a_setting_that_is_refused_is_not_repeated(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    try:
        chosen = read_environment("environment variable")
    except TerminalError as error:
        assert PLANTED not in "".join(traceback.format_exception(error))
    else:
        assert PLANTED not in repr(chosen)


@pytest.mark.parametrize(
    "call",
    [
        lambda settings: open_state(settings).read("alerts/a.json"),
        lambda settings: Lake(settings),
        lambda settings: Registry(settings, "tiny").client,
    ],
    ids=["state", "catalog", "MLflow"],
)
def test_a_service_that_is_away_is_named_without_its_password(
    settings: Settings,
    call: Callable[[Settings], Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Exception) as raised:
        call(settings_with_secrets(settings, free_port()))
    answer = explain(raised.value)
    assert isinstance(answer, NightshiftError)
    assert PLANTED not in str(answer)
    assert PLANTED not in "".join(traceback.format_exception(raised.value))
    assert PLANTED not in caplog.text


def test_an_alert_and_the_record_of_a_failure_have_no_secret(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings_with_secrets(settings, free_port()).model_copy(update={"state": None})
    error = f"{ADDRESS} refused; the key is {PLANTED}"
    record_failure(chosen, "tiny.score", "r1", "score", error)
    assert read_failures(chosen, "tiny.score", "r1") == {
        "score": "postgresql+psycopg2://nightshift:***@127.0.0.1:{port}/db refused; the key is ***"
    }
    run = AlertRun("tiny.score", "r1", "score", "2024-01-05", "2024-01-05T06:31:00+00:00", "http://airflow")
    assert deliver(failed_run_alert(run, error), chosen) == ["record"]
    [alert] = read_alerts(chosen)
    assert PLANTED not in str(alert) and "refused; the key is ***" in str(alert["what"])
    assert "could not be delivered by webhook" in caplog.text and PLANTED not in caplog.text


def test_no_argument_of_a_job_is_secret_and_its_session_is_given_it(settings: Settings) -> None:
    submitter = SparkSubmit(settings_with_secrets(settings))
    command = " ".join(submitter.command(Job("score")))
    assert "spark.a=1" in command and PLANTED not in command and "fs.s3a" not in command
    assert PLANTED in submitter.environment(Job("score"))["NIGHTSHIFT_SPARK"]
