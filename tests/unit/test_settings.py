from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.errors import TerminalError
from nightshift.settings import (
    PROJECT,
    AlertSettings,
    CatalogSettings,
    Settings,
    SmtpSettings,
    SparkSettings,
    get_settings,
)
from nightshift.settings_names import setting_names


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets itself."""
    for name in os.environ:
        if name.startswith("NIGHTSHIFT_"):
            monkeypatch.delenv(name)
    get_settings.cache_clear()


def test_without_any_setting_everything_is_embedded_below_the_project() -> None:
    settings = Settings()
    var = PROJECT / "var"
    assert settings.models_path == PROJECT / "include" / "models"
    assert settings.var_path == var.resolve()
    assert settings.landing_uri == f"{var}/landing"
    assert settings.warehouse_uri == f"{var}/warehouse"
    assert settings.catalog_uri == f"sqlite:///{var}/catalog.db?timeout=60"
    assert settings.tracking_uri == f"sqlite:///{var}/mlflow/mlflow.db"
    assert settings.artifact_root == f"{var}/mlflow/artifacts"
    assert settings.quality_docs_uri == f"{var}/quality"
    assert settings.state_uri == str(var.resolve())
    assert settings.spark.master == "local[*]"
    assert settings.alerts.webhook_url is None
    assert settings.alerts.smtp.host is None


def test_everything_follows_the_folder_of_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "state"))
    settings = Settings()
    state = str(tmp_path / "state")
    places = [settings.landing_uri, settings.warehouse_uri, settings.artifact_root, settings.quality_docs_uri]
    places.append(settings.state_uri)
    assert all(place.startswith(state) for place in places)
    assert settings.catalog_uri is not None
    assert state in settings.catalog_uri
    assert state in settings.tracking_uri


@pytest.mark.parametrize("command", ["tables", "status tiny", "sql 'select 1'", "versions tiny"])
def test_a_folder_of_state_that_cannot_be_made_is_one_line(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_VAR", "/dev/null/var")
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(PROJECT / "tests" / "models"))
    result = CliRunner().invoke(app, shlex.split(command))
    get_settings.cache_clear()
    assert isinstance(result.exception, TerminalError), result.exception
    text = str(result.exception)
    assert text.startswith("/dev/null/var") and "cannot be made" in text and "fix: set NIGHTSHIFT_VAR" in text


def test_a_relative_folder_of_state_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(var=Path("state")).landing_uri == str(tmp_path / "state" / "landing")


def field_of(variable: str) -> FieldInfo:
    group: type[BaseModel] = Settings
    parts = variable.removeprefix("NIGHTSHIFT_").lower().split("__")
    for part in parts[:-1]:
        inner = group.model_fields[part].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        group = inner
    return group.model_fields[parts[-1]]


def test_every_setting_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LANDING": "s3://bucket/landing",
        "WAREHOUSE": "s3://bucket/warehouse",
        "MLFLOW_URI": "http://mlflow:5000",
        "MLFLOW_ARTIFACTS": "s3://bucket/mlflow",
        "QUALITY_DOCS": "s3://bucket/quality",
        "CATALOG__TYPE": "glue",
        "CATALOG__PROPERTIES": '{"glue.region": "eu-central-1"}',
        "SPARK__MASTER": "yarn",
        "SPARK__DRIVER_MEMORY": "8g",
        "SPARK__CONF": '{"spark.executor.instances": "20"}',
        "ALERTS__WEBHOOK_URL": "https://hooks.example.org/s3cret",
        "ALERTS__SMTP__HOST": "mail",
        "ALERTS__SMTP__PORT": "587",
        "ALERTS__SMTP__TO": '["on@call.org"]',
        "ALERTS__SMTP__STARTTLS": "true",
    }.items():
        monkeypatch.setenv(f"NIGHTSHIFT_{name}", value)
    settings = Settings()
    assert settings.landing_uri == "s3://bucket/landing"
    assert settings.warehouse_uri == "s3://bucket/warehouse"
    assert settings.tracking_uri == "http://mlflow:5000"
    assert settings.artifact_root == "s3://bucket/mlflow"
    assert settings.quality_docs_uri == "s3://bucket/quality"
    assert settings.catalog_uri is None
    assert settings.catalog.properties == {"glue.region": "eu-central-1"}
    assert settings.spark == SparkSettings(master="yarn", driver_memory="8g", conf={"spark.executor.instances": "20"})
    assert settings.alerts.webhook_url is not None
    assert settings.alerts.webhook_url.get_secret_value() == "https://hooks.example.org/s3cret"
    assert settings.alerts.smtp == SmtpSettings(host="mail", port=587, to=["on@call.org"], starttls=True)


def test_a_catalog_of_ones_own_is_used_as_it_is() -> None:
    assert Settings(catalog=CatalogSettings(uri="postgresql://db/iceberg")).catalog_uri == "postgresql://db/iceberg"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NIGHTSHIFT_ALERTS__SMTP__PORT", "s3cret"),
        ("NIGHTSHIFT_SPARK__MASTR", "s3cret"),
        ("NIGHTSHIFT_ALERTS__WEBHOOK", "s3cret"),
        ("NIGHTSHIFT_ALERTS__SMTP__HOST", "mail-s3cret"),
    ],
)
def test_a_variable_that_is_wrong_is_named_in_one_line_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TerminalError) as caught:
        get_settings()
    message = str(caught.value)
    assert message.startswith(f"environment variable {name.rsplit('__', 1)[0]}")
    assert "fix: " in message
    assert "s3cret" not in message
    assert "\n" not in message


TEXTS = {str, str | None, Path, Path | None, SecretStr, SecretStr | None}
TYPED = [
    name
    for name in setting_names(Settings)
    if not name.endswith("__") and field_of(name).annotation not in TEXTS | {dict[str, SecretStr], dict[str, str]}
]


@pytest.mark.parametrize("value", ["nonsense", "{not json", "-1", "nan", "inf", "99999999999999999999", "[1]"])
@pytest.mark.parametrize("name", TYPED)
def test_a_value_of_another_kind_is_refused_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(TerminalError) as caught:
        get_settings()
    assert str(caught.value).startswith(f"environment variable {name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", ["", "  "])
@pytest.mark.parametrize("name", setting_names(Settings))
def test_no_setting_is_taken_from_an_empty_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    name = f"{name}A" if name.endswith("__") else name
    monkeypatch.setenv(name, value)
    with pytest.raises(TerminalError, match=f"environment variable {name}: it is empty; fix: give it a value"):
        get_settings()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SPARK__CONF", '{"spark.x": 1}', "SPARK__CONF, key 'spark.x': Input should be a valid string"),
        ("SPARK__CONF", "spark.x=1", "SPARK__CONF: it is not JSON; fix: write lists as "),
        ("SPARK", '{"driver_waits": "x"}', "SPARK, key 'driver_waits': Input should be a valid integer"),
        ("SPARK", '{"driver_wait": 1}', "SPARK, key 'driver_wait': Extra inputs are not permitted"),
        ("ALERTS", '{"smtp": {"port": 0}}', "ALERTS, key 'smtp.port': Input should be greater"),
        ("ALERTS__SMTP__TO", "on@call.org", "ALERTS__SMTP__TO: it is not JSON"),
        ("SERVING__TOKENS", "s3cret", "SERVING__TOKENS: it is not JSON"),
        ("SERVING__TOKENS__SHOP", "s3cret s3cret", "SERVING__TOKENS: a token has other characters"),
        ("SERVING__TOKENS__SHOP", "gehéim", "SERVING__TOKENS: a token has other characters"),
        ("SERVING__TOKENS", '{"a": "s3cret", "b": "s3cret"}', "SERVING__TOKENS: two callers have the same token"),
        ("SERVING", '{"open": true, "tokens": {"a": "s3cret"}}', "SERVING: open to everybody, and callers are named"),
        ("SERVING", '{"open": true, "identity_header": "X-User"}', "SERVING: open to everybody, and callers are named"),
        ("SERVING__IDENTITY_HEADER", "X User", "SERVING__IDENTITY_HEADER: no name of a header"),
        *[
            ("SPARK__DRIVER_MEMORY", value, "SPARK__DRIVER_MEMORY: not an amount of memory of at least 512m")
            for value in ("nonsense", "-1g", "1k", "511m", "0g", "1.5g", "2 g", "2t", "99999999g")
        ],
    ],
)
def test_the_variable_and_the_key_in_it_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(f"NIGHTSHIFT_{name}", value)
    with pytest.raises(TerminalError) as caught:
        get_settings()
    assert str(caught.value).startswith(f"environment variable NIGHTSHIFT_{says}")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("memory", ["512m", "2g", "4G", "1024mb"])
def test_amounts_of_memory_as_the_jvm_writes_them(memory: str) -> None:
    assert SparkSettings(driver_memory=memory).driver_memory == memory


def test_settings_are_read_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_settings()
    monkeypatch.setenv("NIGHTSHIFT_LANDING", "elsewhere")
    assert get_settings() is first


def test_a_process_started_on_behalf_of_settings_has_the_same_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(
        var=tmp_path / "var",
        landing="s3://bucket/landing",
        catalog=CatalogSettings(type="rest", uri="http://catalog", properties={"a.b": "c"}),
        spark=SparkSettings(master="yarn", conf={"spark.x": "1"}, class_archive=tmp_path / "a.jsa"),
    )
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_a_process_started_on_behalf_of_settings_is_told_no_secret_of_alerts() -> None:
    alerts = AlertSettings(
        webhook_url=SecretStr("https://x/s3cret"),
        smtp=SmtpSettings(host="mail", to=["a@b.c"], password=SecretStr("s3cret")),
    )
    assert "s3cret" not in json.dumps(Settings(alerts=alerts).as_environment())
