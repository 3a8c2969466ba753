"""Variables that are near a setting's name are refused, others are not ours to judge."""

from __future__ import annotations

import pytest

from nightshift.errors import TerminalError
from nightshift.settings import Settings, get_settings
from nightshift.settings_names import refuse_misspelt, setting_names

NAMES = setting_names(Settings)


def test_every_setting_has_its_variable() -> None:
    assert {"NIGHTSHIFT_VAR", "NIGHTSHIFT_CATALOG", "NIGHTSHIFT_ALERTS__SMTP__HOST"} <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    refuse_misspelt(NAMES, NAMES)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("NIGHTSHIFT_WAREHOUS", "NIGHTSHIFT_WAREHOUSE"),
        ("NIGHTSHIFT_SPARK_MASTER", "NIGHTSHIFT_SPARK__MASTER"),
        ("NIGHTSHIFT_CONNECTION", "NIGHTSHIFT_CONNECTIONS"),
        ("NIGHTSHIFT_MODEL_FOLDER", "NIGHTSHIFT_MODELS_FOLDER"),
        ("NIGHTSHIFT_ALERTS__SNS_TOPICS", "NIGHTSHIFT_ALERTS__SNS_TOPIC"),
    ],
)
def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "s3cret")
    get_settings.cache_clear()
    with pytest.raises(TerminalError, match=f"did you mean {meant}") as refusal:
        get_settings()
    get_settings.cache_clear()
    assert variable in str(refusal.value) and "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "variable",
    [
        "NIGHTSHIFT_SERVICE_HOST",
        "NIGHTSHIFT_PORT_8080_TCP_ADDR",
        "NIGHTSHIFT_INSTANCE",
        "NIGHTSHIFT_CHECKED",
        "NIGHTSHIFT_UID",
        "NIGHTSHIFT_IMAGE",
        "NIGHTSHIFT_MODELS",
        "NIGHTSHIFT_CONNECTIONS__A",
        "NIGHTSHIFT_SPARK__CONF__A",
        "WAREHOUSE",
        "PATH",
    ],
)
def test_variables_of_others_are_left_alone(variable: str) -> None:
    refuse_misspelt([variable], NAMES)
