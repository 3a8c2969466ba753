"""Mistakes of a user, each one line: those in a definition, with file and line; and those in the words of a command."""

from __future__ import annotations

import gzip
import shutil
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightshift.cli import app, main
from nightshift.settings import get_settings

LANDED = 5  # days
CLASS = "class: sklearn.linear_model.LogisticRegression"
MACHINE = "machine: {type: string, required: true}\n      load"
FAILED = "expression: failed\n"
QUERY = """query:
      connection: shop
      sql: select 1 as a where {date} > now()
      dates: select day from loads
    timezone: UTC"""

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
        "a date has parts, and nothing says when all of them are there; received 'plan*-{date}.csv.gz'; allowed: ",
    ),
    "completeness that is no mapping": (
        "path: plan-{date}.csv.gz",
        "path: plan-{date}.csv.gz\n    complete: true",
        "sources.plan.complete",
        "wrong type; received True; allowed: a mapping of keys and values",
    ),
    "a marker of which no date has one": (
        "path: plan-{date}.csv.gz",
        'path: plan-{date}.csv.gz\n    complete: {marker: "plan-{date}.done"}',
        "sources.plan.complete",
        "parts of 5 dates have landed, 2024-01-01 to 2024-01-05, and none is complete; received '",
    ),
    **{
        f"a path such as {path}": (
            "path: plan-{date}",
            f"path: {path}",
            "sources.plan.path",
            f"not a plain path below the landing folder; received '{path}.csv.gz'; allowed: names of folders and of",
        )
        for path in ("./plan-{date}", "/plan-{date}", "../plan-{date}", "plans//{date}")
    },
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


# Of commands: the words, what they do to the landed files, and what the line says.
COMMAND_MISTAKES: dict[str, tuple[str, str, str]] = {
    "preview of an unknown model": (
        "preview tinny --night 2024-01-03",
        "",
        "unknown model; received 'tinny'; allowed: tiny; fix: did you mean tiny?",
    ),
    "preview of what is no name": (
        "preview ../model --night 2024-01-03",
        "",
        "unknown model; received '../model'; allowed: tiny; fix: a name is a lower-case letter, then lower-case",
    ),
    "preview before the start": (
        "preview tiny --night 2023-12-31",
        "",
        "schedule.start: 2023-12-31 is before the first night; received '2023-12-31'; allowed: 2024-01-01 or later",
    ),
    "preview of a night without files": (
        "preview tiny --night 2024-01-09",
        "",
        "plan-2024-01-09.csv.gz: the observations of 2024-01-09 have not landed; "
        "allowed: a night of 2024-01-01 to 2024-01-05; fix: choose another night, or land the file",
    ),
    "preview without any file": (
        "preview tiny --night 2024-01-03",
        "nothing landed",
        "plan-{date}.csv.gz: no file of 'plan' has landed; fix: land files there, or correct the path",
    ),
    "preview of a broken definition": (
        "preview tiny --night 2024-01-03",
        "broken",
        "features.aggregates.machine_failures.agg: ",
    ),
    "preview of a file that is not as declared": (
        "preview tiny --night 2024-01-03",
        "other type",
        "plan-2024-01-03.csv.gz row 1: column 'load' ",
    ),
    "trial of an unknown model": ("try tinny", "", "unknown model; received 'tinny'"),
    "trial without any file": ("try tiny", "nothing landed", "no file of the observations has landed; fix: land some"),
    "trial before anything is built": (
        "try tiny --as-of 2024-01-05",
        "",
        "features.tiny: no features of the training period are built; received 'no night of 2023-12-11 to 2023-12-30'",
    ),
    "training of an unknown model": ("train tinny", "", "unknown model; received 'tinny'"),
    "training before anything is built": ("train tiny --as-of 2024-01-05", "", "no features of the training period"),
    "scores of an unknown model": ("score tinny --night 2024-01-03", "", "unknown model; received 'tinny'"),
    "scores before the start": ("score tiny --night 2023-12-31", "", "2023-12-31 is before the first night"),
    "scores of a night whose files have not landed": (
        "score tiny --night 2024-01-09",
        "",
        "outcomes/2024-01-08.parquet: 2 files of 2024-01-09 have not landed; fix: land them, or choose another night",
    ),
    "new model of a name that is taken": (
        "new tiny",
        "",
        "the model has a definition; fix: edit it, remove it to have it proposed anew, or choose",
    ),
    "deletion of a model that has a definition": (
        "delete tiny --yes",
        "",
        "the model still has a definition, from which its DAGs would come back",
    ),
    "deletion of the table of all models": ("delete registry_events --yes", "", "not the name of a model"),
    "deletion of a model that there never was": ("delete tinny --yes", "", "nothing of the model is left"),
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


# What stands in place of a source's path; the key that is named, and the message.
PLACES: dict[str, tuple[str, str, str]] = {
    "two places": (
        f"path: plan-{{date}}.csv.gz\n    {QUERY}",
        "query",
        "not one place of its rows; received 'path, query'; allowed: path, query, table; fix: such as ",
    ),
    "no place": (
        "cadence: daily",
        "",
        "not one place of its rows; received 'none of them'; allowed: path, query, table",
    ),
    "a date in quotes": (
        QUERY.replace("{date}", "'{date}'"),
        "query.sql",
        "the date is in quotes; received \"'{date}'\"; allowed: {date}; fix: write it without: it is a date already",
    ),
    "a query without a date": (
        QUERY.replace("{date}", "current_date"),
        "query.sql",
        "has no date; received 'select 1 as a where current_date > now()'; allowed: one `select`, with the date; fix: ",
    ),
    "complete dates by the date": (
        QUERY.replace("select day", "select {date}"),
        "query.dates",
        "lists all dates, so there is none; received 'select {date} from loads'; allowed: one `select` of the complete",
    ),
    "a query with a marker": (
        f'{QUERY}\n    complete: {{marker: "plan-{{date}}.done"}}',
        "complete",
        "is for files and tables; received 'complete'; allowed: the query `dates`, which lists the complete dates",
    ),
    "a query without a clock": (
        QUERY.replace("\n    timezone: UTC", ""),
        "timezone",
        "missing key; fix: name the zone by whose clock its dates begin",
    ),
    "an address in the definition": (
        QUERY.replace("shop", "postgresql://u:secret@h/d"),
        "query.connection",
        "not a name; allowed: letters, digits, and . _ -; fix: write the name of a connection, and its address as ",
    ),
    "a table without a namespace": (
        "table: {catalog: lake, name: plan, date: day}\n    timezone: UTC",
        "table.name",
        "not a table with its namespace; received 'plan'; allowed: namespace.table; fix: such as web.clicks",
    ),
    "a table with a manifest": (
        'table: {catalog: lake, name: web.plan, date: day}\n    timezone: UTC\n    complete: {manifest: "{date}.json"}',
        "complete.manifest",
        "lists parts, which a table has not; received '{date}.json'; allowed: marker or settled; fix: choose one of",
    ),
}


@pytest.mark.parametrize("mistake", PLACES)
def test_a_wrong_place_of_rows_is_one_line_without_secrets(file: Path, mistake: str) -> None:
    replacement, key, message = PLACES[mistake]
    file.write_text(file.read_text().replace("path: plan-{date}.csv.gz", replacement))
    [line] = lines_of(file)
    assert f": sources.plan{'.' if key else ''}{key}: {message}" in line
    assert "secret" not in line


@pytest.mark.parametrize(("landed", "cadence", "waits"), [([1], "", True), ([1, 2], "", False), ([9], "", False),
                                                          ([1], "    cadence: irregular\n", False)])  # fmt: skip
def test_a_daily_source_with_a_single_early_file_is_refused_before_a_night_waits_for_the_next(
    file: Path, tmp_path: Path, landed: list[int], cadence: str, waits: bool
) -> None:
    landing, weights = tmp_path / "landing", "    path: weights-{date}.csv\n"
    source = f"  weights:\n    description: Of each machine.\n{weights}{cadence}    available: {{after: 1h}}\n"
    columns = "    columns:\n      machine: {type: string, required: true}\n"
    file.write_text(file.read_text().replace("sources:\n", f"sources:\n{source}{columns}"))
    for day in range(LANDED + 1, 11):
        shutil.copy(landing / "plan-2024-01-01.csv.gz", landing / f"plan-2024-01-{day:02}.csv.gz")
    for day in landed:
        (landing / f"weights-2024-01-{day:02}.csv").write_text("machine\nm1\n")
    lines = [line for line in lines_of(file) if "sources.weights" in line]
    assert len(lines) == waits
    assert all("others have landed to 2024-01-10" in line and "cadence: irregular" in line for line in lines)


def test_without_mistakes_there_is_no_line(file: Path) -> None:
    assert lines_of(file) == []


@pytest.mark.parametrize("mistake", COMMAND_MISTAKES)
def test_a_mistake_in_a_command_is_one_line_and_leaves_nothing(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mistake: str
) -> None:
    words, change, message = COMMAND_MISTAKES[mistake]
    landing = tmp_path / "landing"
    match change:
        case "nothing landed":
            shutil.rmtree(landing)
        case "broken":
            file.write_text(file.read_text().replace("agg: rate", "agg: ratio"))
        case "other type":
            for landed in landing.iterdir():
                landed.write_bytes(gzip.compress(b"machine,load\nm1,much\n"))
    monkeypatch.setattr(sys, "argv", ["nightshift", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (2, "")
    [line] = captured.err.splitlines()
    assert message in line, line
    assert not (tmp_path / "var").exists() or not list((tmp_path / "var").iterdir()), "it leaves something behind"
