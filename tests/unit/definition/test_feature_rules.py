from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DefinitionError
from unit.definition.test_load import broken, changed, line_of

Change = tuple[str, str]

PLAN = "      load: {type: number, required: true, min: 0, max: 1}\n"
FAILED = "      failed: {type: boolean}\n"
OUTCOMES = "    available: {after: 24h}\n"
ROWS = "  rows:\n    busy:"
AGGREGATES = "  aggregates:\n"
RATE = "agg: rate\n      where: failed"
FAILURES_MACHINE = "      machine: {type: string, required: true}\n      failed"
TRANSFORM = "def transform(frame, cutoff):\n    return frame\n"


def plan_derives(text: str) -> Change:
    return PLAN, f"{PLAN}    derived:\n      {text}\n"


def failures_derive(text: str) -> Change:
    return FAILED, f"{FAILED}    derived:\n      {text}\n"


def looks_up(text: str) -> Change:
    return ROWS, f"  lookups:\n    {text}\n{ROWS}"


def has_row(text: str) -> Change:
    return ROWS, f"  rows:\n    {text}\n    busy:"


def computes(text: str) -> Change:
    return AGGREGATES, f"  computed:\n    {text}\n{AGGREGATES}"


def happens(text: str) -> Change:
    return OUTCOMES, f"    event_time: {text}\n{OUTCOMES}"


PAST = looks_up("past: {source: failures, key: [machine]}")


def problem_lines(models: Path, *changes: Change, code: str | None = None) -> tuple[str, list[str]]:
    """The text of a definition that is changed, and what is said about it, without the folder."""
    folder = models / "tiny"
    if code is not None:
        (folder / "features.py").write_text(code)
    text = changed(folder, *changes)
    lines = broken(folder, text)
    assert all(line.startswith(f"{folder / 'model.yaml'}:") for line in lines)
    return text, [line.removeprefix(f"{folder / 'model.yaml'}:") for line in lines]


def good(models: Path, *changes: Change, code: str | None = None) -> ModelDefinition:
    folder = models / "tiny"
    if code is not None:
        (folder / "features.py").write_text(code)
    (folder / "model.yaml").write_text(changed(folder, *changes))
    return load_definition(folder)


# What is replaced, by what, the fragment whose line is named, the key, and what the message says.
PROBLEMS = [
    # ---- expressions
    pytest.param(
        [("expression: load,", "expression: lod * 2,")],
        ("busy:", "features.rows.busy.expression"),
        ["no such column in >>>lod<<< * 2", "allowed: machine, load, score_date", "fix: write 'load'"],
        id="a misspelt column of a row feature",
    ),
    pytest.param(
        [("expression: load,", "expression: 'datediff(source_date, score_date)',")],
        ("busy:", "features.rows.busy.expression"),
        ["no such column in datediff(>>>source_date<<<, score_date)", "fix: write 'score_date'"],
        id="a row feature of the date of a file",
    ),
    pytest.param(
        [("      where: failed\n", "      where: faild or failed\n")],
        ("where: faild", "features.aggregates.machine_failures.where"),
        ["no such column in >>>faild<<< or failed", "allowed: machine, failed, source_date", "fix: write 'failed'"],
        id="a misspelt column of a condition",
    ),
    pytest.param(
        [(RATE, "agg: mean\n      value: cast(lode as int)")],
        ("value: cast", "features.aggregates.machine_failures.value"),
        ["no such column in cast(>>>lode<<< as int)", "allowed: machine, failed, source_date"],
        id="a value of a column that only the observations have",
    ),
    pytest.param(
        [("      where: failed\n", "      where: past.failed\n"), PAST],
        ("where: past", "features.aggregates.machine_failures.where"),
        [">>>past<<<.failed", "fix: write 'failed'"],
        id="a condition on a look-up",
    ),
    pytest.param(
        [PAST, ("expression: load,", "expression: cast(past.failled as int),")],
        ("busy:", "features.rows.busy.expression"),
        ["no such field in cast(past.>>>failled<<< as int)", "allowed: machine, failed", "fix: write 'failed'"],
        id="a misspelt field of a look-up",
    ),
    pytest.param(
        [PAST, ("expression: load,", "expression: cast(passed.failed as int),")],
        ("busy:", "features.rows.busy.expression"),
        ["no such look-up in cast(>>>passed<<<.failed as int)", "allowed: past"],
        id="a misspelt look-up",
    ),
    pytest.param(
        [("expression: load,", "expression: rand() + load,")],
        ("busy:", "features.rows.busy.expression"),
        ["returns another value on every call in >>>rand<<<() + load", "fix: remove it"],
        id="a row feature by chance",
    ),
    pytest.param(
        [("      where: failed\n", "      where: source_date < current_date()\n")],
        ("where: source_date", "features.aggregates.machine_failures.where"),
        ["reads the clock in source_date < >>>current_date<<<()", "fix: use a date of the row"],
        id="a condition on the clock",
    ),
    pytest.param(
        [(RATE, "agg: mean\n      value: max(source_date)")],
        ("value: max", "features.aggregates.machine_failures.value"),
        ["not allowed in an expression in >>>max<<<(source_date)", "fix: an expression is over one row"],
        id="an aggregate of an aggregate",
    ),
    pytest.param(
        [plan_derives("kind_: {expression: upper(machin), type: string}")],
        ("kind_:", "sources.plan.derived.kind_.expression"),
        ["no such column in upper(>>>machin<<<)", "allowed: machine, load, source_date", "fix: write 'machine'"],
        id="a misspelt column of a derived one",
    ),
    pytest.param(
        [
            plan_derives(
                "one: {expression: upper(machine), type: string}\n      two: {expression: lower(one), type: string}"
            )
        ],
        ("two:", "sources.plan.derived.two.expression"),
        ["no such column in lower(>>>one<<<)"],
        id="a derived column of a derived column",
    ),
    pytest.param(
        [plan_derives("one: {expression: load +, type: number}")],
        ("one: {", "sources.plan.derived.one.expression"),
        ["not valid SQL", "fix: correct the syntax"],
        id="a derived column of half an expression",
    ),
    pytest.param(
        [plan_derives("one: {expression: '', type: number}")],
        ("one: {", "sources.plan.derived.one.expression"),
        ["empty expression", "fix: write an expression over the columns"],
        id="a derived column of nothing",
    ),
    pytest.param(
        [happens("cast(sourc_date as timestamp)")],
        ("event_time:", "sources.failures.event_time"),
        ["no such column in cast(>>>sourc_date<<< as timestamp)", "fix: write 'source_date'"],
        id="a misspelt column of the event time",
    ),
    pytest.param(
        [happens("now()")],
        ("event_time:", "sources.failures.event_time"),
        ["reads the clock in >>>now<<<()"],
        id="an event time by the clock",
    ),
    pytest.param(
        [("expression: failed\n", "expression: not faild\n")],
        ("expression: not", "label.expression"),
        ["no such column in not >>>faild<<<", "allowed: machine, failed, source_date", "fix: write 'failed'"],
        id="a misspelt column of the label",
    ),
    pytest.param(
        [
            failures_derive("broke: {expression: failed, type: boolean}"),
            ("expression: failed\n", "expression: broke\n"),
        ],
        ("expression: broke", "label.expression"),
        ["no such column in >>>broke<<<"],
        id="a label of a derived column",
    ),
    # ---- names of derived columns
    pytest.param(
        [plan_derives("load: {expression: load * 2, type: number}")],
        ("load: {expression: load * 2", "sources.plan.derived.load"),
        ["is already a landed column", "received 'load'", "fix: choose another name"],
        id="a derived column named as a landed one",
    ),
    *(
        pytest.param(
            [plan_derives(f"{name}: {{expression: load * 2, type: number}}")],
            (f"{name}: {{", f"sources.plan.derived.{name}"),
            ["reserved name", f"received '{name}'", "fix: choose another name"],
            id=f"a derived column named {name}",
        )
        for name in ("source_date", "score_date", "label")
    ),
    # ---- the last
    pytest.param(
        [(RATE, "agg: last\n      value: cast(failed as int)")],
        ("agg: last", "features.aggregates.machine_failures.agg"),
        ["the last row is undefined: 'failures' has no event_time", "fix: declare `event_time:` of 'failures'"],
        id="the last of rows without an order",
    ),
    # ---- keys of one type
    pytest.param(
        [(FAILURES_MACHINE, FAILURES_MACHINE.replace("string", "integer"))],
        ("by: [machine]", "features.aggregates.machine_failures.by"),
        [
            "'machine' has another type in the observations",
            "integer in 'failures', string in 'plan'",
            "fix: declare the same type in both",
        ],
        id="a key of two types",
    ),
    pytest.param(
        [
            plan_derives("kind_: {expression: 'length(machine)', type: integer}"),
            failures_derive("kind_: {expression: 'substring(machine, 1, 1)', type: string}"),
            ("by: [machine]", "by: [kind_]"),
        ],
        ("by: [kind_]", "features.aggregates.machine_failures.by"),
        ["'kind_' has another type in the observations", "string in 'failures', integer in 'plan'"],
        id="a derived key of two types",
    ),
    pytest.param(
        [(FAILURES_MACHINE, FAILURES_MACHINE.replace("string", "integer")), ("by: [machine]", "by: []"), PAST],
        ("past:", "features.lookups.past.key"),
        ["'machine'", "another type", "fix: "],
        id="a key of a look-up of two types",
    ),
    # ---- windows
    pytest.param(
        [("windows: [3d]", "windows: [3d, 7d, 72h]")],
        ("windows:", "features.aggregates.machine_failures.windows"),
        ["a window is listed twice", "received ['3d', '7d', '3d']", "fix: remove one"],
        id="a window is listed twice in different units",
    ),
]


@pytest.mark.parametrize(("changes", "place", "says"), PROBLEMS)
def test_a_problem_is_one_line_with_its_place_and_repair(
    models: Path, changes: list[Change], place: tuple[str, str], says: list[str]
) -> None:
    text, lines = problem_lines(models, *changes)
    fragment, key = place
    matches = [line for line in lines if line.startswith(f"{line_of(text, fragment)}: {key}: ")]
    assert len(matches) == 1, lines
    for part in says:
        assert part in matches[0]
    # The only further problem: a window that is listed twice gives two features of the same name.
    assert len(lines) == 1 or key.endswith("windows"), lines


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        pytest.param(
            [PAST, plan_derives("past: {expression: upper(machine), type: string}")],
            "past",
            id="a look-up named as a derived column of the observations",
        ),
        pytest.param(
            [(PLAN, f"{PLAN}      machine_failures_3d: {{type: number}}\n")],
            "machine_failures_3d",
            id="an aggregate's feature named as a column of the observations",
        ),
        pytest.param(
            [plan_derives("machine_failures_3d: {expression: load, type: number}")],
            "machine_failures_3d",
            id="an aggregate's feature named as a derived column of the observations",
        ),
        pytest.param(
            [looks_up("machine_failures_3d: {source: failures, key: [machine]}")],
            "machine_failures_3d",
            id="an aggregate's feature named as a look-up",
        ),
        pytest.param(
            [looks_up("score_date: {source: failures, key: [machine]}")], "score_date", id="a look-up as a date"
        ),
        pytest.param(
            [looks_up("source_date: {source: failures, key: [machine]}")], "source_date", id="as a file's date"
        ),
        pytest.param([("by: [machine]", "by: [machine, machine]")], "machine", id="a key column twice"),
        pytest.param(
            [looks_up("past: {source: failures, key: [machine, machine]}")], "machine", id="a look-up's column twice"
        ),
    ],
)
def test_names_that_spark_could_not_tell_apart_at_night_are_refused(
    models: Path, changes: list[Change], named: str
) -> None:
    _, lines = problem_lines(models, *changes)
    assert any(named in line and "fix: " in line for line in lines)


def test_every_fault_of_every_expression_is_reported(models: Path) -> None:
    _, lines = problem_lines(
        models,
        ("expression: load,", "expression: lod + machin + rand(),"),
        ("      where: failed\n", "      where: faild\n"),
        happens("now()"),
        ("expression: failed\n", "expression: broken\n"),
        plan_derives("one: {expression: two, type: number}"),
    )
    assert [line.split(": ")[1] for line in lines] == [
        "sources.plan.derived.one.expression",
        "sources.failures.event_time",
        "features.aggregates.machine_failures.where",
        "features.rows.busy.expression",
        "features.rows.busy.expression",
        "features.rows.busy.expression",
        "label.expression",
    ]
    assert [line.split(" in ")[1].split(";")[0] for line in lines if "rows.busy" in line] == [
        ">>>lod<<< + machin + rand()",
        "lod + >>>machin<<< + rand()",
        "lod + machin + >>>rand<<<()",
    ]


def test_an_expression_over_several_lines_is_reported_on_one_line(models: Path) -> None:
    _, [line] = problem_lines(
        models, ("      where: failed\n", "      where: >-\n        failed\n\n        and lod > 1\n")
    )
    assert "no such column in failed and >>>lod<<< > 1; " in line


def test_the_expressions_of_an_unknown_source_are_not_reported(models: Path) -> None:
    _, [line] = problem_lines(models, ("      source: failures\n", "      source: faults\n"))
    assert "features.aggregates.machine_failures.source: unknown source" in line


# ---- computed features and their code

MOOD = "mood: {type: number, description: d, sources: [plan]}"


def test_computed_features_without_their_code_are_refused_with_what_to_write(models: Path) -> None:
    text, [line] = problem_lines(models, computes(MOOD))
    assert line.startswith(f"{line_of(text, '  computed:')}: features.computed: the definition has no features.py; ")
    assert line.endswith(f"fix: write transform(frame, cutoff) in {models / 'tiny' / 'features.py'}")


def test_code_without_any_computed_feature_is_refused(models: Path) -> None:
    text, [line] = problem_lines(models, code=TRANSFORM)
    assert line.startswith(f"{line_of(text, 'features:')}: features: features.py adds features that are not declared; ")
    assert "fix: declare them under `computed:`" in line


def test_a_computed_feature_of_an_unknown_source_is_refused(models: Path) -> None:
    text, [line] = problem_lines(models, computes(MOOD.replace("[plan]", "[plan, plans]")), code=TRANSFORM)
    assert line.startswith(f"{line_of(text, 'mood:')}: features.computed.mood.sources: unknown source; ")
    assert "received 'plans'; allowed: plan, failures; fix: name a source" in line


@pytest.mark.parametrize("sources", ["[]", "plan"])
def test_a_computed_feature_names_its_sources(models: Path, sources: str) -> None:
    text, [line] = problem_lines(models, computes(MOOD.replace("[plan]", sources)), code=TRANSFORM)
    assert line.startswith(f"{line_of(text, 'mood:')}: features.computed.mood.sources: ")


@pytest.mark.parametrize("name", ["busy", "machine_failures_3d", "machine", "score_date", "source_date", "label"])
def test_a_computed_feature_with_a_used_name_is_refused(models: Path, name: str) -> None:
    text, [line] = problem_lines(models, computes(MOOD.replace("mood", name)), code=TRANSFORM)
    assert line.startswith(f"{line_of(text, '  computed:') + 1}: features.computed.{name}: the name is already used; ")
    assert f"received '{name}'; fix: choose another name" in line


def test_computed_features_with_code_are_features(models: Path) -> None:
    definition = good(
        models,
        computes(f"{MOOD}\n    state: {{type: category, description: d, sources: [failures, plan]}}"),
        code=TRANSFORM,
    )
    assert list(definition.feature_types.items())[-2:] == [("mood", "number"), ("state", "category")]
    watched = ("retrain: {nights", "features: [mood]\n  retrain: {nights")
    file = models / "tiny" / "model.yaml"
    file.write_text(file.read_text().replace(*watched))
    assert load_definition(models / "tiny").monitoring.features == ("mood",)


def test_a_model_may_have_computed_features_only(models: Path) -> None:
    text = (models / "tiny" / "model.yaml").read_text()
    start, end = text.index("features:"), text.index("training:")
    (models / "tiny" / "features.py").write_text(TRANSFORM)
    (models / "tiny" / "model.yaml").write_text(f"{text[:start]}features:\n  computed:\n    {MOOD}\n\n{text[end:]}")
    assert load_definition(models / "tiny").feature_types == {"mood": "number"}


# ---- what is allowed

KIND = 'kind_: {expression: "substring(machine, 1, 1)", type: string, description: d}'
LAST = "agg: last\n      value: {}\n      type: category"

GOOD = [
    pytest.param(
        [plan_derives(KIND), failures_derive(KIND), ("by: [machine]", "by: [kind_, machine]")], id="by a derived column"
    ),
    pytest.param(
        [failures_derive(KIND), ("      where: failed\n", "      where: failed and kind_ = 'a'\n")], id="where"
    ),
    pytest.param([failures_derive(KIND), (RATE, "agg: approx_distinct\n      value: upper(kind_)")], id="value"),
    pytest.param([plan_derives(KIND), ("expression: load,", "expression: load + length(kind_),")], id="row"),
    pytest.param(
        [failures_derive(KIND), PAST, ("expression: load,", "expression: 'length(past.kind_)',")],
        id="a derived field of a look-up",
    ),
    pytest.param(
        [PAST, has_row('worse: {expression: "cast(PAST.Failed as int) + Load", type: number, description: d}')],
        id="fields in other letters",
    ),
    pytest.param(
        [PAST, has_row("known: {expression: 'cast(past is null as int)', type: number, description: d}")],
        id="whether there is a row to look up",
    ),
    pytest.param([has_row("day: {expression: dayofweek(score_date), type: number, description: d}")], id="score date"),
    pytest.param(
        [plan_derives("since: {expression: 'datediff(source_date, date ''2024-01-01'')', type: integer}")],
        id="a derived column of the date of the file",
    ),
    pytest.param(
        [happens("cast(source_date as timestamp)"), (RATE, LAST.format("machine")), ("default: 0.5", "default: none")],
        id="the last text",
    ),
    pytest.param(
        [
            failures_derive("hour: {expression: 'length(machine)', type: integer}"),
            happens("timestampadd(HOUR, hour, source_date)"),
        ],
        id="an event time of a derived column",
    ),
    pytest.param([(OUTCOMES, f"{OUTCOMES}    timezone: Asia/Tokyo\n    restates: 3d\n")], id="another time zone"),
    pytest.param([("by: [machine]", "by: []")], id="over all rows"),
    pytest.param([("windows: [3d]", "windows: [1d, 24h, 90d]".replace("24h, ", ""))], id="several windows"),
    pytest.param([(RATE, "agg: count"), ("default: 0.5", "default: 0")], id="a count of all rows"),
    pytest.param([looks_up("again: {source: plan, key: [machine]}")], id="a look-up of the observations' source"),
]


@pytest.mark.parametrize("changes", GOOD)
def test_valid_features_load(models: Path, changes: list[Change]) -> None:
    assert good(models, *changes).feature_types


def test_a_derived_column_has_its_declared_type(models: Path) -> None:
    source = good(models, plan_derives(KIND)).sources["plan"]
    assert source.types == {"machine": "string", "load": "number", "kind_": "string"}
    assert set(source.columns) == {"machine", "load"}


def test_the_example_has_derived_columns_look_ups_event_times_and_restated_days(flight_delay: ModelDefinition) -> None:
    assert flight_delay.sources["arrivals"].derived and flight_delay.sources["arrivals"].event_time
    assert flight_delay.sources["arrivals"].restates and flight_delay.features.lookups


def test_a_broken_rule_raises_nothing_but_a_definition_error(models: Path) -> None:
    """Rules see a definition that may be wrong in every other way as well."""
    folder = models / "tiny"
    text = changed(
        folder,
        ("observations:\n  source: plan", "observations:\n  source: nothing"),
        ("label:\n  source: failures", "label:\n  source: nothing"),
        ("      source: failures\n", "      source: nothing\n"),
        looks_up("past: {source: nothing, key: [nothing]}"),
    )
    (folder / "model.yaml").write_text(text)
    with pytest.raises(DefinitionError, match="unknown source"):
        load_definition(folder)
