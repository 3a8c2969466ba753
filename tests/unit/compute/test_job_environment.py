from __future__ import annotations

import pytest

from nightshift.compute.job_environment import holds_secret


@pytest.mark.parametrize(
    "value",
    [
        "postgresql+psycopg2://nightshift:hunter2@db/catalog",
        "https://mlflow.example.com/?token=hunter2",
        '{"type": "sql", "uri": "postgresql+psycopg2://nightshift:hunter2@db/catalog"}',
        '{"type": "glue", "properties": {"s3.secret-access-key": "hunter2"}}',
        '{"type": "rest", "properties": {"s3.access-key-id": "hunter2"}}',
        '{"type": "rest", "properties": {"credential": "client:hunter2"}}',
        '[{"password": "hunter2"}]',
    ],
)
def test_a_password_or_a_key_is_noticed(value: str) -> None:
    assert holds_secret(value)


@pytest.mark.parametrize(
    "value",
    [
        "s3://bucket/warehouse",
        "sqlite:////var/catalog.db?timeout=60",
        "postgresql+psycopg2://nightshift@db/catalog",
        '{"type": "glue", "uri": null, "properties": {"s3.region": "eu-central-1"}}',
        '{"smtp": {"password": null}}',
        "1000000",
        "",
        "http://[broken",
    ],
)
def test_other_values_are_not_taken_for_secrets(value: str) -> None:
    assert not holds_secret(value)
