"""Mistakes that a definition can contain, each refused by `nightshift validate` in one line with file and line."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app
from nightshift.settings import get_settings

LANDED = 5  # days
CLASS = "class: sklearn.linear_model.LogisticRegression"
MACHINE = "machine: {type: string, required: true}\n      load"
FAILED = "expression: failed\n"

# What is replaced in the tiny definition, by what; the key that is named; the message.
MISTAKES: dict[str, tuple[str, str, str, str]] = {
    "cadence without a date": (
        '"0 7 * * 1"',
        '"0 7 31 2 *"',
        "training.cadence",
        "never comes due; received '0 7 31 2 *'; allowed: a day that some month has; fix: such as '0 6 1 * *'",
    ),
    "cadence that is no cron": ('"0 7 * * 1"', '"0 7 * *"', "training.cadence", "not a cron expression; received"),
    "glob in a path": (
        "path: plan-{date}",
        "path: plan*-{date}",
        "sources.plan.path",
        "a path is no pattern, but contains '*'; received 'plan*-{date}.csv.gz'; allowed: one file per date, named by",
    ),
    "unknown function of Spark in a feature": (
        "substring(machine, 1, 1)",
        "substrng(machine, 1, 1)",
        "features.rows.kind.expression",
        "no such function of Spark SQL in >>>substrng<<<(machine, 1, 1); fix: write 'substring'",
    ),
    "unknown function of Spark in an aggregate": (
        "where: failed",
        "where: is_tru(failed)",
        "features.aggregates.machine_failures.where",
        "no such function of Spark SQL in >>>is_tru<<<(failed); fix: write",
    ),
    "unknown function of DuckDB in the label": (
        FAILED,
        "expression: coalescence(failed, false)\n",
        "label.expression",
        "no such function of DuckDB in >>>coalescence<<<(failed, false); fix: write 'coalesce'",
    ),
    "unknown function of DuckDB in a rule": (
        "    columns:\n      " + MACHINE,
        '    rules: {short: {expression: "lenght(machine) < 9"}}\n    columns:\n      ' + MACHINE,
        "sources.plan.rules.short",
        "no such function of DuckDB in >>>lenght<<<(machine) < 9; fix: write 'length'",
    ),
    "label before its date has ended": (
        "available: {after: 24h}",
        "available: {after: 23h}",
        "sources.failures.available.after",
        "the label's source is available before its own date has ended, when outcomes cannot be final; "
        "received '23h'; allowed: 24h or more; fix: write when its outcomes are final",
    ),
    "text declared a number": (
        "required: true, min: 0, max: 1}\n",
        "required: true, min: 0, max: 1}\n      failed: {type: number}\n",
        "sources.plan.columns.failed.type",
        "row 1: column 'failed' ",
    ),
    "window longer than the history": (
        "windows: [3d]",
        "windows: [3d, 30d]",
        "features.aggregates.machine_failures.windows",
        "a window is longer than the history of 'plan' that has landed, 2024-01-01 to 2024-01-05; received '30d'; "
        "allowed: at most 5d; fix: land more history, or shorten the window",
    ),
    "class that does not exist": (
        CLASS,
        "class: sklearn.linear_model.LogisticRegresion",
        "training.estimator.class",
        "no such class; received 'sklearn.linear_model.LogisticRegresion'; fix: write 'sklearn.linear_model.Logisti",
    ),
    "module that does not exist": (CLASS, "class: sklaern.tree.Tree", "training.estimator.class", "no such class"),
    "class without probabilities": (
        CLASS,
        "class: sklearn.svm.LinearSVC",
        "training.estimator.class",
        "the class gives no probabilities; received 'sklearn.svm._classes.LinearSVC'; fix: use one with predict_proba",
    ),
    "parameter that the class does not take": (
        "params: {C: 1.0}",
        "params: {c: 1.0}",
        "training.estimator.params",
        "unexpected keyword argument 'c'; received {'c': 1.0}; allowed: C, ",
    ),
}


@pytest.fixture
def file(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny definition as the command line sees it, and some landed days of its plan."""
    landing = tmp_path / "landing"
    landing.mkdir()
    for offset in range(LANDED):
        name = f"plan-{date(2024, 1, 1) + timedelta(days=offset)}.csv.gz"
        (landing / name).write_bytes(gzip.compress(b"machine,load,failed\nm1,0.5,true\nm2,0.25,false\n"))
    monkeypatch.setenv("NIGHTSHIFT_MODELS_FOLDER", str(models))
    monkeypatch.setenv("NIGHTSHIFT_LANDING", str(landing))
    monkeypatch.setenv("NIGHTSHIFT_VAR", str(tmp_path / "var"))
    get_settings.cache_clear()
    yield models / "tiny" / "model.yaml"
    get_settings.cache_clear()


def lines_of(file: Path) -> list[str]:
    return CliRunner().invoke(app, ["validate", file.parent.name]).stderr.splitlines()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_file_line_and_fix(file: Path, mistake: str) -> None:
    replaced, replacement, key, message = MISTAKES[mistake]
    text = file.read_text()
    if mistake == "window longer than the history":  # of the source that has landed
        text = text.replace(
            "source: failures\n      by: [machine]\n      agg: rate\n      where: failed",
            "source: plan\n      by: [machine]\n      agg: rate\n      where: load > 0.5",
        )
    assert text.count(replaced) == 1
    file.write_text(text.replace(replaced, replacement))
    [line] = lines_of(file)
    assert line.startswith(f"{file}:"), line
    number, where, _ = line.removeprefix(f"{file}:").split(": ", 2)
    assert where.startswith(key), line
    changed = next(part for part in replacement.splitlines() if part not in replaced.splitlines()).strip()
    assert changed in file.read_text().splitlines()[int(number) - 1], line
    assert message in line


def test_without_mistakes_there_is_no_line(file: Path) -> None:
    assert lines_of(file) == []
