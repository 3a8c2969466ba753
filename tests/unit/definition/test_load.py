from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from nightshift.definition.load import (
    definition_folders,
    definition_hash,
    find_definition,
    load_definition,
    load_replay,
)
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError, TerminalError
from unit.conftest import Edit

PLAN_KEY = "available: {after: 1h}\n    key: [machine]"
ROWS = "rows:\n    busy:"
RATE = "agg: rate\n      where: failed"


def broken(folder: Path, text: str) -> list[str]:
    """The problems of a definition with this text, one line each."""
    (folder / "model.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        load_definition(folder)
    lines = str(caught.value).split("\n")
    assert len(lines) == len(caught.value.problems)
    return lines


def changed(folder: Path, *changes: tuple[str, str]) -> str:
    """The text of a definition after replacing texts that occur once."""
    text = (folder / "model.yaml").read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    return text


def line_of(text: str, fragment: str) -> int:
    return text[: text.index(fragment)].count("\n") + 1


def test_the_example_loads_with_every_feature_in_order(flight_delay: ModelDefinition) -> None:
    assert flight_delay.name == "flight_delay"
    assert list(flight_delay.feature_types)[:3] == ["airline", "airport", "destination"]
    assert flight_delay.feature_types["airline"] == "category"
    assert flight_delay.feature_types["carrier_late_rate_28d"] == "number"
    assert len(flight_delay.feature_types) == 9 + 34


def test_the_tiny_model_loads(tiny: ModelDefinition) -> None:
    assert tiny.feature_types == {"busy": "number", "kind": "category", "machine_failures_3d": "number"}


# The change; the fragment whose line is named, and the key; the parts of the message.
PROBLEMS = [
    pytest.param(
        ("owner: tests", "ownr: tests"),
        ("ownr: tests", "ownr"),
        ["unknown key", "received 'ownr'", "allowed: name, description, owner,", "fix: write 'owner'"],
        id="unknown key like a known one",
    ),
    pytest.param(
        ("  poll: 1s", "  poll: 1s\n  zzz: 1s"),
        ("zzz: 1s", "wait.zzz"),
        ["unknown key", "received 'zzz'", "allowed: alert, timeout, poll", "fix: remove it"],
        id="unknown key like no other",
    ),
    pytest.param(
        ("owner: tests\n", ""),
        ("# yaml-language-server", "owner"),
        ["missing key", "fix: add `owner:`"],
        id="missing key at the top",
    ),
    pytest.param(
        ("  start: 2024-01-01\n", ""),
        ("schedule:", "schedule.start"),
        ["missing key", "fix: add `start:`"],
        id="missing key inside",
    ),
    pytest.param(
        ("owner: tests", "owner: 17"),
        ("owner: 17", "owner"),
        ["wrong type", "received 17", "allowed: Input should be a valid string", "fix: write it in quotes"],
        id="number for a text",
    ),
    pytest.param(
        ("owner: tests", "owner: true"),
        ("owner: true", "owner"),
        ["wrong type", "received True", "fix: write it in quotes"],
        id="a word that is a boolean",
    ),
    pytest.param(
        ("owner: tests", "owner: 2024-01-01"),
        ("owner: 2024-01-01", "owner"),
        ["wrong type", "fix: write it in quotes"],
        id="date for a text",
    ),
    pytest.param(
        ("nights: 1", "nights: many"),
        ("retrain: {nights", "monitoring.retrain.nights"),
        ["wrong type", "received 'many'", "allowed: Input should be a valid integer"],
        id="text for a number",
    ),
    pytest.param(
        ("windows: [3d]", "windows: 3d"),
        ("windows: 3d", "features.aggregates.machine_failures.windows"),
        ["wrong type", "received '3d'"],
        id="text for a list",
    ),
    pytest.param(
        ("available: {after: 1h}", "available: 1h"),
        ("available: 1h", "sources.plan.available"),
        ["wrong type", "received '1h'"],
        id="text for a mapping",
    ),
    pytest.param(
        ("failed: {type: boolean}", "failed: {type: bool}"),
        ("failed: {type: bool}", "sources.failures.columns.failed.type"),
        ["received 'bool'", "'string', 'integer', 'number', 'boolean'"],
        id="unknown column type",
    ),
    pytest.param(
        ("agg: rate", "agg: average"),
        ("agg: average", "features.aggregates.machine_failures.agg"),
        ["received 'average'", "'count', 'sum', 'mean', 'rate'"],
        id="unknown aggregation",
    ),
    pytest.param(
        ("minimum: {roc_auc: 0.5}", "minimum: {precision: 0.5}"),
        ("minimum: {precision", "gate.minimum.precision"),
        ["received 'precision'", "'roc_auc', 'average_precision'"],
        id="unknown metric",
    ),
    pytest.param(
        ("timezone: UTC", "timezone: Mars/Olympus"),
        ("timezone: Mars", "schedule.timezone"),
        ["unknown time zone", "received 'Mars/Olympus'", "allowed: IANA names such as UTC"],
        id="unknown time zone",
    ),
    pytest.param(
        ('at: "06:00"', "at: 6 am"),
        ("at: 6 am", "schedule.at"),
        ["not allowed here", "received '6 am'", "allowed: text that matches"],
        id="not a time of day",
    ),
    pytest.param(
        ("start: 2024-01-01", "start: new year"),
        ("start: new year", "schedule.start"),
        ["received 'new year'"],
        id="not a date",
    ),
    pytest.param(
        ("timeout: 2s", "timeout: 2 seconds"),
        ("timeout: 2 seconds", "wait.timeout"),
        ["not a duration", "received '2 seconds'", "allowed: a whole number and a unit: 30s, 15m, 6h, 7d"],
        id="not a duration",
    ),
    pytest.param(
        ("period: 20d", "period: 36h"),
        ("period: 36h", "training.period"),
        ["not a whole number of days", "received '36h'", "allowed: 1d, 7d"],
        id="not whole days",
    ),
    pytest.param(
        ("holdout: 5d", "holdout: 0d"),
        ("holdout: 0d", "training.holdout"),
        ["not a whole number of days", "received '0d'"],
        id="no days at all",
    ),
    pytest.param(
        ("    busy: {", "    Busy: {"),
        ("Busy: {", "features.rows.Busy"),
        ["not allowed here", "received 'Busy'", "allowed: text that matches"],
        id="name with a capital",
    ),
    pytest.param(
        ("class: sklearn.linear_model.LogisticRegression", "class: LogisticRegression"),
        ("class: LogisticRegression", "training.estimator.class"),
        ["not allowed here", "received 'LogisticRegression'"],
        id="class without a module",
    ),
    pytest.param(
        ("gate:\n  minimum: {roc_auc: 0.5}", "gate:\n  against_champion: {metric: roc_auc, margin: -0.1}"),
        ("against_champion", "gate.against_champion.margin"),
        ["received -0.1", "fix: "],
        id="number out of bounds",
    ),
    pytest.param(
        (RATE, "agg: rate"),
        ("machine_failures:", "features.aggregates.machine_failures"),
        ["aggregation without operand", "allowed: agg: rate with `where: …`", "fix: add `where:`"],
        id="rate without a condition",
    ),
    pytest.param(
        (RATE, "agg: mean"),
        ("machine_failures:", "features.aggregates.machine_failures"),
        ["aggregation without operand", "allowed: agg: mean with `value: …`", "fix: add `value:`"],
        id="mean of nothing",
    ),
    pytest.param(
        ("observations:\n  source: plan", "observations:\n  source: plans"),
        ("source: plans", "observations.source"),
        ["unknown source", "received 'plans'", "allowed: plan, failures", "fix: name a source"],
        id="unknown source of observations",
    ),
    pytest.param(
        ("      source: failures\n", "      source: faults\n"),
        ("source: faults", "features.aggregates.machine_failures.source"),
        ["unknown source", "received 'faults'", "allowed: plan, failures"],
        id="unknown source of an aggregate",
    ),
    pytest.param(
        ("by: [machine]", "by: [load]"),
        ("by: [load]", "features.aggregates.machine_failures.by"),
        ["source 'failures' has no such column", "received 'load'", "allowed: machine, failed"],
        id="unknown column of an aggregate",
    ),
    pytest.param(
        (PLAN_KEY, PLAN_KEY.replace("machine", "engine")),
        ("key: [engine]", "sources.plan.key"),
        ["source 'plan' has no such column", "received 'engine'", "allowed: machine, load"],
        id="unknown column of a key",
    ),
    pytest.param(
        ("    busy: {", "    label: {"),
        ("label: {", "features.rows.label"),
        ["reserved name", "received 'label'", "fix: choose another name"],
        id="reserved feature name",
    ),
    pytest.param(
        ("    busy: {", "    machine: {"),
        ("machine: {expression: load", "features.rows.machine"),
        ["is the name of a key column", "received 'machine'", "fix: choose another name"],
        id="feature named as the key",
    ),
    pytest.param(
        ("failed: {type: boolean}", "failed: {type: boolean}\n      source_date: {type: date}"),
        ("source_date", "sources.failures.columns.source_date"),
        ["reserved name", "received 'source_date'", "fix: rename it at landing"],
        id="reserved column name",
    ),
    pytest.param(
        ("minimum: {roc_auc: 0.5}", "minimum: {}"),
        ("gate:", "gate"),
        ["no rule: a gate without rules would pass anything", "allowed: minimum, against_champion", "fix: add a rule"],
        id="gate without rules",
    ),
    pytest.param(
        ("path: plan-{date}.csv.gz", "path: plan.csv.gz"),
        ("path: plan.csv.gz", "sources.plan.path"),
        ["has no date", "received 'plan.csv.gz'", "allowed: one `{date}`", "fix: write where the date stands"],
        id="path without a date",
    ),
    pytest.param(
        ("path: plan-{date}.csv.gz", "path: plan-{date}.xlsx"),
        ("path: plan", "sources.plan.path"),
        ["unknown file format", "allowed: .csv, .csv.gz, .parquet", "fix: change the ending"],
        id="unknown file format",
    ),
    pytest.param(
        ("available: {after: 1h}", "available: {after: 7h}"),
        ("available: {after: 7h}", "sources.plan.available.after"),
        ["the observations of a night are not available at its cutoff", "fix: score later"],
        id="observations that come too late",
    ),
    pytest.param(
        ("retrain: {nights", "features: [bussy]\n  retrain: {nights"),
        ("  features: [bussy]", "monitoring.features"),
        ["no such feature", "received 'bussy'", "allowed: busy, kind, machine_failures_3d"],
        id="watched feature that is none",
    ),
    pytest.param(
        ("name: tiny", "name: little"),
        ("name: little", "name"),
        ["differs from its folder", "received 'little'", "allowed: tiny", "fix: write `name: tiny` or rename"],
        id="name that differs from the folder",
    ),
]


@pytest.mark.parametrize(("change", "place", "says"), PROBLEMS)
def test_a_problem_is_one_line_with_its_place_and_repair(
    models: Path, change: tuple[str, str], place: tuple[str, str], says: list[str]
) -> None:
    folder = models / "tiny"
    text = changed(folder, change)
    fragment, key = place
    lines = broken(folder, text)
    assert len(lines) == 1, lines
    message, *rest = says
    assert lines[0].startswith(f"{folder / 'model.yaml'}:{line_of(text, fragment)}: {key}: ")
    for part in [message, *rest, "fix: "]:
        assert part in lines[0]


def test_a_model_cannot_have_the_name_of_the_table_of_all_models(models: Path) -> None:
    folder = (models / "tiny").rename(models / "registry_events")
    [line] = broken(folder, changed(folder, ("name: tiny", "name: registry_events")))
    assert line.endswith("reserved name; received 'registry_events'; fix: rename the model and its folder")


def test_a_look_up_by_columns_that_are_not_the_key_of_its_source_is_refused(models: Path) -> None:
    folder = models / "tiny"
    text = changed(
        folder,
        (PLAN_KEY, PLAN_KEY.replace("key: [machine]", "key: [machine, load]")),
        (ROWS, "lookups:\n    plan_row: {source: plan, key: [machine]}\n  rows:\n    busy:"),
    )
    [line] = broken(folder, text)
    assert line.startswith(f"{folder / 'model.yaml'}:{line_of(text, 'plan_row')}: features.lookups.plan_row.key: ")
    assert "'plan' is not declared unique by it; received ['machine']; allowed: ['machine', 'load']; fix: " in line


def test_a_look_up_by_a_column_the_observations_lack_is_refused(models: Path) -> None:
    folder = models / "tiny"
    text = changed(
        folder,
        ("after: 24h}\n    key: [machine]", "after: 24h}\n    key: [machine, failed]"),
        (ROWS, "lookups:\n    past: {source: failures, key: [machine, failed]}\n  rows:\n    busy:"),
    )
    [line] = [line for line in broken(folder, text) if "features.lookups.past.key" in line]
    assert "source 'plan' has no such column; received 'failed'; allowed: machine, load; fix: " in line


def test_a_look_up_may_name_the_key_of_its_source_in_any_order(models: Path) -> None:
    folder = models / "tiny"
    text = changed(
        folder,
        (PLAN_KEY, PLAN_KEY.replace("key: [machine]", "key: [machine, load]")),
        (ROWS, "lookups:\n    plan_row: {source: plan, key: [load, machine]}\n  rows:\n    busy:"),
    )
    (folder / "model.yaml").write_text(text)
    assert load_definition(folder).features.lookups["plan_row"].source == "plan"


def test_a_definition_without_any_feature_is_refused(models: Path) -> None:
    folder = models / "tiny"
    text = (folder / "model.yaml").read_text()
    start, end = text.index("features:"), text.index("training:")
    [line] = broken(folder, f"{text[:start]}features: {{}}\n\n{text[end:]}")
    assert "features: no feature; allowed: at least one under rows, aggregates or computed; fix: add one" in line


def test_several_problems_of_values_are_all_reported(models: Path) -> None:
    folder = models / "tiny"
    text = changed(folder, ("timezone: UTC", "timezone: Mars"), ("poll: 1s", "poll: often"), ("agg: rate", "agg: mode"))
    lines = broken(folder, text)
    assert [line.split(": ")[1] for line in lines] == [
        "schedule.timezone",
        "wait.poll",
        "features.aggregates.machine_failures.agg",
    ]


def test_several_problems_between_parts_are_all_reported(models: Path) -> None:
    folder = models / "tiny"
    text = changed(folder, ("name: tiny", "name: little"), ("minimum: {roc_auc: 0.5}", "minimum: {}"))
    assert [line.split(": ")[1] for line in broken(folder, text)] == ["name", "gate"]


def test_an_unknown_key_does_not_hide_the_other_problems(models: Path) -> None:
    folder = models / "tiny"
    text = changed(folder, ("owner: tests", "owner: tests\nzzz: 1\nyyy: 2"), ("poll: 1s", "poll: often"))
    lines = broken(folder, text)
    assert sorted(line.split(": ")[1] for line in lines) == ["wait.poll", "yyy", "zzz"]


@pytest.mark.parametrize(
    ("old", "new", "key", "suggestion"),
    [
        ('at: "06:00"', 'att: "06:00"', "schedule.att", "at"),
        ("available: {after: 1h}", "available: {aftr: 1h}", "sources.plan.available.aftr", "after"),
        ("path: plan-{date}.csv.gz", "pth: plan-{date}.csv.gz", "sources.plan.pth", "path"),
        (
            "type: number, required: true",
            "type: number, requird: true",
            "sources.plan.columns.load.requird",
            "required",
        ),
        ("rows:\n    busy:", "rowz:\n    busy:", "features.rowz", "rows"),
        ("busy: {expression", "busy: {expresion", "features.rows.busy.expresion", "expression"),
        ("windows: [3d]", "window: [3d]", "features.aggregates.machine_failures.window", "windows"),
        ("{class: sklearn", "{clas: sklearn", "training.estimator.clas", "class"),
        ("minimum: {roc", "minimun: {roc", "gate.minimun", "minimum"),
        (
            "minimum: {roc_auc: 0.5}",
            "against_champion: {metric: roc_auc, margn: 0.1}",
            "gate.against_champion.margn",
            "margin",
        ),
        (
            "retrain: {nights",
            "false_alarm: 1 per 90 nights\n  retrain: {nights",
            "monitoring.false_alarm",
            "false_alarms",
        ),
        ("cooldown: 7d", "cool_down: 7d", "monitoring.retrain.cool_down", "cooldown"),
    ],
)
def test_a_misspelt_key_at_any_depth_is_answered_with_the_correct_key_alone(
    models: Path, old: str, new: str, key: str, suggestion: str
) -> None:
    folder = models / "tiny"
    text = changed(folder, (old, new))
    [line] = broken(folder, text)
    assert line.startswith(f"{folder / 'model.yaml'}:{line_of(text, new.split(chr(10))[0])}: {key}: unknown key; ")
    assert f"fix: write '{suggestion}'" in line


def test_parameters_of_the_estimator_are_as_written(edit: Edit) -> None:
    params = "{C: 1.0, class_weight: {0: 1, 1: 2.5}, l: [a, 7, true, null], deep: {x: {y: [0.1]}}}"
    written = edit("{C: 1.0}", params).training.estimator.params
    assert written == {
        "C": 1.0,
        "class_weight": {0: 1, 1: 2.5},
        "l": ["a", 7, True, None],
        "deep": {"x": {"y": [0.1]}},
    }
    assert {type(value) for value in written.values()} == {float, dict, list}


def test_the_field_folder_is_an_unknown_key(models: Path) -> None:
    folder = models / "tiny"
    text = changed(folder, ("owner: tests", "owner: tests\nfolder: elsewhere"))
    [line] = broken(folder, text)
    assert "folder: unknown key" in line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param("name: tiny\nowner: [tests\n", 3, "not valid YAML", id="open bracket"),
        pytest.param("name: tiny\n\towner: tests\n", 2, "not valid YAML", id="tab"),
        pytest.param('name: tiny\nname: "tiny"\n', 2, "not valid YAML: found duplicate key", id="duplicate key"),
        pytest.param(
            "name: tiny\nsources: {a: {path: a/{date}.csv}}\n",
            2,
            "not valid YAML: expected ',' or '}', but got '{'; fix: put the value with {date} in quotes",
            id="date in braces",
        ),
        pytest.param("name: tiny\n---\nname: tiny\n", 2, "not valid YAML", id="two documents"),
        pytest.param("name: *nobody\n", 1, "not valid YAML", id="unknown alias"),
        pytest.param("", 1, "not a mapping", id="empty"),
        pytest.param("# nothing but a comment\n", 1, "not a mapping", id="only a comment"),
        pytest.param("- name: tiny\n", 1, "not a mapping", id="a list"),
        pytest.param("tiny\n", 1, "not a mapping", id="a word"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_one_line_with_its_place(
    models: Path, text: str, line: int, message: str
) -> None:
    folder = models / "tiny"
    [error_line] = broken(folder, text)
    assert error_line.startswith(f"{folder / 'model.yaml'}:{line}: {message}")
    assert "fix: " in error_line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("start: 2024-01-01", "start: 2024-02-30", id="a day the calendar lacks"),
        pytest.param("timeout: 2s", "timeout: 99999999999999d", id="a duration beyond all calendars"),
        pytest.param("owner: tests", "owner: tests\n17: x", id="a number as key"),
        pytest.param("owner: tests", "owner: \x07", id="a control character"),
        pytest.param("owner: tests", "owner: tests\ntags: &again [*again]", id="a list that holds itself"),
        pytest.param("owner: tests", "owner: !!python/object:os.system tests", id="a tag"),
        pytest.param("owner: tests", "owner:", id="nothing"),
    ],
)
def test_every_error_of_a_file_is_a_definition_error_that_names_the_file(models: Path, old: str, new: str) -> None:
    folder = models / "tiny"
    for line in broken(folder, changed(folder, (old, new))):
        assert line.startswith(f"{folder / 'model.yaml'}:")


def test_a_file_that_is_not_utf_8_says_at_which_byte(models: Path) -> None:
    folder = models / "tiny"
    (folder / "model.yaml").write_bytes("name: tiny\nowner: Zoë\n".encode("latin-1"))
    with pytest.raises(DefinitionError) as caught:
        load_definition(folder)
    assert str(caught.value) == f"{folder / 'model.yaml'} byte 20: not UTF-8 text; fix: save it as UTF-8"


def test_a_folder_without_a_definition_says_so(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no model definition; fix: create it"):
        load_definition(tmp_path)


def test_an_unknown_model_is_answered_with_the_existing_models_and_a_suggestion(models: Path) -> None:
    shutil.copytree(models / "tiny", models / "other")
    with pytest.raises(TerminalError) as caught:
        find_definition(models, "tinny")
    assert str(caught.value) == (
        f"{models}: unknown model; received 'tinny'; allowed: other, tiny; fix: did you mean tiny?"
    )


def test_a_model_unlike_any_other_is_answered_with_the_file_to_add(models: Path) -> None:
    with pytest.raises(TerminalError) as caught:
        find_definition(models, "zzz")
    assert f"fix: nightshift new zzz writes {models / 'zzz' / 'model.yaml'}" in str(caught.value)


def test_a_model_is_found_by_its_name(models: Path) -> None:
    assert find_definition(models, "tiny").folder == models / "tiny"


def test_folders_without_a_definition_are_not_models(models: Path) -> None:
    (models / "notes").mkdir()
    (models / "README.md").write_text("nothing")
    assert definition_folders(models) == [models / "tiny"]


def test_a_broken_neighbour_does_not_keep_a_model_from_loading(models: Path) -> None:
    (models / "broken").mkdir()
    (models / "broken" / "model.yaml").write_text("name: [")
    assert find_definition(models, "tiny").name == "tiny"


def test_the_hash_of_a_definition_follows_its_content_and_not_its_place(models: Path, tmp_path: Path) -> None:
    first = definition_hash(load_definition(models / "tiny"))
    shutil.copytree(models / "tiny", tmp_path / "moved" / "tiny")
    assert definition_hash(load_definition(tmp_path / "moved" / "tiny")) == first
    (models / "tiny" / "notes.txt").write_text("not part of the definition")
    assert definition_hash(load_definition(models / "tiny")) == first

    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("C: 1.0", "C: 2.0"))
    second = definition_hash(load_definition(models / "tiny"))
    (models / "tiny" / "helper.py").write_text("A = 1\n")
    third = definition_hash(load_definition(models / "tiny"))
    (models / "tiny" / "helper.py").rename(models / "tiny" / "other.py")
    fourth = definition_hash(load_definition(models / "tiny"))
    assert len({first, second, third, fourth}) == 4


def test_the_tiny_models_example_data_lands_as_declared(tiny: ModelDefinition) -> None:
    landed = list(load_replay(tiny)(date(2024, 1, 1), date(2024, 1, 2)))
    assert [(source, day) for source, day, _ in landed] == [
        ("plan", "2024-01-01"),
        ("failures", "2024-01-01"),
        ("plan", "2024-01-02"),
        ("failures", "2024-01-02"),
    ]


def test_a_model_without_example_data_says_what_to_do(models: Path) -> None:
    (models / "tiny" / "landing.py").unlink()
    with pytest.raises(TerminalError, match=r"no example data to land; fix: land files as your systems deliver them"):
        load_replay(load_definition(models / "tiny"))


# Definitions that would fail only at night, and are refused when they are loaded: the change, and the message.
REFUSED = [
    pytest.param('cadence: "0 7 * * 1"', "cadence: every monday", r"training\.cadence", id="no cron expression"),
    pytest.param(
        "start: 2024-01-01", "start: 2024-01-01\n  end: 2023-12-31", r"schedule\.end", id="an end before the start"
    ),
    pytest.param(
        "    busy: {", "    machine_failures_3d: {", "machine_failures_3d", id="a feature named as an aggregate"
    ),
    pytest.param("windows: [3d]", "windows: [3d, 72h]", "machine_failures", id="the same window twice"),
    pytest.param(
        "nights: 1, of_last: 1", "nights: 3, of_last: 2", r"monitoring\.retrain", id="a policy that never requests"
    ),
    pytest.param(
        "nights: 1, of_last: 1",
        "drift: {nights: 4}, nights: 1, of_last: 3",
        r"retrain\.drift\.nights: can never be reached; received 4",
        id="more breaches than nights",
    ),
    pytest.param(
        "nights: 1, of_last: 1",
        "drift: null",
        r"retrain: nothing would ever request a training",
        id="a policy without a trigger",
    ),
    pytest.param(
        "nights: 1, of_last: 1",
        "performance: {metric: mae}",
        r"retrain\.performance\.metric: is not a metric of a predicted probability",
        id="a trigger's metric of a number",
    ),
    pytest.param(
        "nights: 1, of_last: 1",
        "estimated_performance: {metric: calibration_error}",
        r"retrain\.estimated_performance\.metric: ",
        id="a metric that cannot be estimated",
    ),
    pytest.param(
        "nights: 1, of_last: 1",
        "drift: {shre: 0.5}",
        r"retrain\.drift\.shre: unknown key.*write 'share'",
        id="a misspelt key of a trigger",
    ),
    pytest.param(
        "nights: 1, of_last: 1", "age: 12h", r"retrain\.age: not a whole number of days", id="an age of half a day"
    ),
    pytest.param("nights: 1, of_last: 1", "budget: 0", r"retrain\.budget: ", id="a budget of nothing"),
    pytest.param(
        "min: 0, max: 1", "min: 2, max: 1", r"sources\.plan\.columns\.load", id="bounds of a column that exclude all"
    ),
    pytest.param(
        "after: 24h}\n",
        "after: 24h}\n    rows: {min: 7, max: 3}\n",
        r"sources\.failures\.rows",
        id="bounds of the rows that exclude all",
    ),
    pytest.param(
        "retrain: {nights",
        "false_alarms: .nan\n  retrain: {nights",
        r"monitoring\.false_alarms",
        id="false alarms that are not a number",
    ),
    pytest.param(
        "roc_auc: 0.5", "roc_auc: .nan", r"gate\.minimum\.roc_auc", id="a bound of the gate that is not a number"
    ),
    pytest.param(
        "min: 0, max: 1",
        "min: .nan, max: 1",
        r"sources\.plan\.columns\.load\.min",
        id="a bound of a column that is not a number",
    ),
    pytest.param(
        "min: 0, max: 1}",
        "min: 0, max: 1, pattern: '[0-9]+'}",
        r"sources\.plan\.columns\.load\.pattern.*a number has no pattern",
        id="a pattern of a number",
    ),
    pytest.param(
        "min: 0, max: 1}",
        "min: 0, max: 1, severity: ignore}",
        r"sources\.plan\.columns\.load\.severity.*'fail', 'quarantine' or 'warn'",
        id="an unknown severity",
    ),
    pytest.param(
        "failed: {type: boolean}",
        "failed: {type: boolean, severity: warn}",
        r"sources\.failures\.columns\.failed\.severity.*no value of this column is checked",
        id="a severity without a check",
    ),
    pytest.param(
        "failed: {type: boolean}",
        "quarantine_rule: {type: string}\n      failed: {type: boolean}",
        r"sources\.failures\.columns\.quarantine_rule.*reserved name",
        id="a column of the quarantine",
    ),
    pytest.param(
        "failed: {type: boolean}",
        "failed: {type: string, pattern: '[a-'}",
        r"failed\.pattern: not a regular expression: unterminated character set",
        id="a pattern that is not a regular expression",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), REFUSED)
def test_a_definition_that_would_fail_at_night_is_refused(edit: Edit, old: str, new: str, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        edit(old, new)


def test_a_key_column_with_the_name_of_a_column_of_the_scores_is_refused(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("machine", "score").replace("score_failures", "failures_lately"))
    with pytest.raises(DefinitionError, match="score"):
        load_definition(models / "tiny")


def test_a_label_source_with_several_rows_per_observation_is_refused(models: Path) -> None:
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace("after: 24h}\n    key: [machine]", "after: 24h}"))
    with pytest.raises(DefinitionError, match=r"label\.source"):
        load_definition(models / "tiny")


def test_every_trigger_may_be_declared(edit: Edit) -> None:
    triggers = (
        "drift: {share: 0.3}, estimated_performance: {}, performance: {metric: brier, worse: 0.1}, age: 30d, budget: 2"
    )
    policy = edit("nights: 1, of_last: 1", triggers).monitoring.retrain
    assert list(policy.triggers) == ["drift", "estimated_performance", "performance"]
    assert {policy.persistence(trigger) for trigger in policy.triggers.values()} == {(2, 3)}


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        pytest.param("UTC", 11, id="all summer"),
        pytest.param("Australia/Sydney", 22, id="all winter there"),
        pytest.param("Europe/London", 11, id="three weeks in March, between the changes of both clocks"),
    ],
)
def test_observations_that_come_too_late_in_a_part_of_the_year_are_refused(models: Path, zone: str, hours: int) -> None:
    """In time on the first night, six in the morning of New York; later both clocks are further apart."""
    folder = models / "tiny"
    text = changed(
        folder,
        ("timezone: UTC", "timezone: America/New_York"),
        ("available: {after: 1h}", f"available: {{after: {hours}h}}\n    timezone: {zone}"),
    )
    [line] = broken(folder, text)
    assert "sources.plan.available.after: the observations of a night are not available at its cutoff" in line


def test_observations_that_come_in_time_all_year_round_are_not_refused(models: Path) -> None:
    folder = models / "tiny"
    text = changed(
        folder,
        ("timezone: UTC", "timezone: America/New_York"),
        ("available: {after: 1h}", "available: {after: 10h}\n    timezone: UTC"),
    )
    (folder / "model.yaml").write_text(text)
    assert load_definition(folder).sources["plan"].timezone == "UTC"


@pytest.mark.parametrize("start", ["9999-12-31", "9999-01-01", "0001-01-01"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_schedule_at_an_end_of_the_calendar_is_loaded_or_refused_in_words(
    models: Path, start: str, zone: str
) -> None:
    folder = models / "tiny"
    text = changed(folder, ("start: 2024-01-01", f"start: {start}"), ("timezone: UTC", f"timezone: {zone}"))
    (folder / "model.yaml").write_text(text)
    try:
        assert str(load_definition(folder).schedule.start) == start
    except DefinitionError as error:
        assert str(error).startswith(f"{folder / 'model.yaml'}:")
