"""Every rule of the checks that a definition declares: a change that breaks it, and its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightshift.definition import check_rules
from nightshift.definition.load import load_definition
from nightshift.definition.rules import RULES, alert_precedes_timeout
from unit.definition.test_load import broken, changed, line_of

COLUMN = "      load: {type: number, required: true, min: 0, max: 1}\n"
FAILED = "failed: {type: boolean}"


def column(more: str) -> tuple[str, str]:
    """Adds to the declaration of the planned load."""
    return "min: 0, max: 1}", f"min: 0, max: 1, {more}}}"


def failed(declared: str) -> tuple[str, str]:
    """Replaces the declaration of the column `failed`."""
    return FAILED, f"failed: {{{declared}}}"


def plan(more: str) -> tuple[str, str]:
    """Adds a key to the plan."""
    return COLUMN, f"{COLUMN}    {more}\n"


def quality(table: str, more: str) -> tuple[str, str]:
    return "gate:", f"quality:\n  {table}: {{{more}}}\n\ngate:"


# The rule; the change that breaks it; the fragment whose line is named, and the key; the parts of the message.
BROKEN = [
    (
        "bounds_are_for_numbers",
        failed("type: boolean, min: 0"),
        ("min: 0}", "sources.failures.columns.failed.min"),
        ["a boolean has no minimum", "fix: remove it"],
    ),
    (
        "bounds_are_for_numbers",
        quality("features", "columns: {kind: {max: 1}}"),
        ("kind: {max", "quality.features.columns.kind.max"),
        ["a category has no maximum", "fix: remove it"],
    ),
    (
        "patterns_are_for_text",
        column("pattern: '[0-9]+'"),
        ("pattern:", "sources.plan.columns.load.pattern"),
        ["a number has no pattern", "fix: remove it"],
    ),
    (
        "severities_have_a_check",
        failed("type: boolean, severity: warn"),
        ("severity: warn", "sources.failures.columns.failed.severity"),
        [
            "no value of this column is checked",
            "received 'warn'",
            "allowed: a column with required, min",
            "add a check",
        ],
    ),
    (
        "severities_have_a_check",
        failed("type: boolean, usual: warn, severity: quarantine"),
        ("severity: quar", "sources.failures.columns.failed.severity"),
        ["no value of this column is checked", "received 'quarantine'"],
    ),
    (
        "statistics_fit_the_type",
        column("usual: {of: [mean, mix]}"),
        ("usual:", "sources.plan.columns.load.usual.of"),
        ["a number has no mix", "received 'mix'", "allowed: mean, spread, missing", "fix: remove it"],
    ),
    (
        "statistics_fit_the_type",
        quality("scores", "columns: {score: {usual: {of: [distinct]}}}"),
        ("score: {usual", "quality.scores.columns.score.usual.of"),
        ["a number has no distinct", "received 'distinct'", "allowed: mean, spread, missing"],
    ),
    (
        "checked_columns_exist",
        quality("features", "columns: {bussy: {required: true}}"),
        ("bussy:", "quality.features.columns.bussy"),
        [
            "no such column",
            "allowed: score_date, machine, busy, kind, machine_failures_3d",
            "fix: name a column of the table",
        ],
    ),
    (
        "checked_columns_exist",
        quality("scores", "columns: {busy: {required: true}}"),
        ("  scores: ", "quality.scores.columns.busy"),
        ["no such column", "received 'busy'", "allowed: score_date, machine, score, model_version"],
    ),
    (
        "no_observation_is_quarantined",
        quality("features", "columns: {busy: {required: true, severity: quarantine}}"),
        ("severity: quarantine", "quality.features.columns.busy.severity"),
        [
            "features must keep one row per observation: none can be set aside",
            "received 'quarantine'",
            "allowed: fail, warn",
            "choose another",
        ],
    ),
    (
        "no_observation_is_quarantined",
        quality("scores", "rules: {sure: {expression: score < 1, severity: quarantine}}"),
        ("severity: quarantine", "quality.scores.rules.sure.severity"),
        ["scores must keep one row per observation: none can be set aside"],
    ),
    (
        "row_rules_are_valid",
        plan("rules: {light: {expression: lod < 1}}"),
        ("light:", "sources.plan.rules.light.expression"),
        ["no such column in >>>lod<<< < 1", "allowed: machine, load, source_date", "fix: write 'load'"],
    ),
    (
        "row_rules_are_valid",
        plan("freshness: {newest: sum(load), within: 1h}"),
        ("freshness:", "sources.plan.freshness.newest"),
        ["not allowed in an expression in >>>sum<<<(load)", "fix: an expression is over one row"],
    ),
    (
        "row_rules_are_valid",
        quality("features", "rules: {light: {expression: load < 1}}"),
        ("light:", "quality.features.rules.light.expression"),
        ["no such column in >>>load<<< < 1", "allowed: score_date, machine, busy"],
    ),
    (
        "check_names_are_free",
        plan("rules: {freshness: {expression: load < 1}}"),
        ("rules: {fresh", "sources.plan.rules.freshness"),
        ["reserved name", "received 'freshness'", "fix: rename it"],
    ),
    (
        "check_names_are_free",
        plan("references: {freshness: {source: failures, columns: [machine]}}"),
        ("references: {fresh", "sources.plan.references.freshness"),
        ["reserved name", "received 'freshness'"],
    ),
    (
        "check_names_are_free",
        plan("rules: {x: {expression: load < 1}}\n    references: {x: {source: failures, columns: [machine]}}"),
        ("references: {x", "sources.plan.references.x"),
        ["is the name of a rule", "received 'x'", "fix: rename the rule or the reference"],
    ),
    (
        "check_names_are_free",
        quality("scores", "rules: {score_bin: {expression: score < 1}}"),
        ("score_bin", "quality.scores.rules.score_bin"),
        ["reserved name", "received 'score_bin'", "fix: rename it"],
    ),
    (
        "references_can_be_looked_up",
        plan("references: {x: {source: faults, columns: [machine]}}"),
        ("references:", "sources.plan.references.x.source"),
        ["unknown source", "received 'faults'", "allowed: plan, failures", "fix: name a source"],
    ),
    (
        "references_can_be_looked_up",
        plan("references: {x: {source: plan, columns: [machine]}}"),
        ("references:", "sources.plan.references.x.source"),
        ["a source always knows its own rows", "received 'plan'", "fix: name another"],
    ),
    (
        "references_can_be_looked_up",
        plan("references: {x: {source: failures, columns: [machine, failed]}}"),
        ("references:", "sources.plan.references.x.columns"),
        [
            "'plan' has no such column",
            "received 'failed'",
            "allowed: machine, load",
            "fix: name a column of both sources",
        ],
    ),
    (
        "references_can_be_looked_up",
        plan("references: {x: {source: failures, columns: [machine], share: 0.9, severity: quarantine}}"),
        ("references:", "sources.plan.references.x.severity"),
        [
            "rows cannot be set aside while some of them may be unknown",
            "allowed: fail, warn",
            "fix: or write `share: 1`",
        ],
    ),
    (
        "row_counts_can_be_compared",
        plan("rows: {like: {source: faults}}"),
        ("rows: {like", "sources.plan.rows.like.source"),
        ["unknown source", "received 'faults'", "allowed: plan, failures", "fix: name a source"],
    ),
    (
        "row_counts_can_be_compared",
        plan("rows: {like: {source: plan}}"),
        ("rows: {like", "sources.plan.rows.like.source"),
        ["a source always has as many rows as itself", "received 'plan'", "fix: name another"],
    ),
    (
        "bounds_can_be_met",
        ("min: 0, max: 1}", "min: 2, max: 1}"),
        ("min: 2", "sources.plan.columns.load.max"),
        ["is below the minimum", "received 1.0", "allowed: at least 2.0", "fix: swap or change the bounds"],
    ),
    (
        "bounds_can_be_met",
        plan("rows: {usual: {min: 3}}"),
        ("rows: {usual", "sources.plan.rows.usual.max"),
        ["is below the minimum", "received 2.0", "allowed: at least 3.0"],
    ),
    (
        "bounds_can_be_met",
        plan("rows: {like: {source: failures, min: 1.5}}"),
        ("rows: {like", "sources.plan.rows.like.max"),
        ["is below the minimum", "received 1.0", "allowed: at least 1.5"],
    ),
    (
        "bounds_can_be_met",
        quality("features", "columns: {busy: {min: 2, max: 1}}"),
        ("busy: {min", "quality.features.columns.busy.max"),
        ["is below the minimum", "allowed: at least 2.0"],
    ),
    (
        alert_precedes_timeout.__name__,
        ("poll: 1s", "poll: 1s\n  alert: 2s"),
        ("alert: 2s", "wait.alert"),
        ["comes after the night has failed", "received '2s'", "allowed: less than the timeout, 2s"],
    ),
]


@pytest.mark.parametrize(("rule", "change", "place", "says"), BROKEN)
def test_a_broken_rule_is_one_line_with_its_place_and_repair_from_that_rule(
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    change: tuple[str, str],
    place: tuple[str, str],
    says: list[str],
) -> None:
    folder = models / "tiny"
    text, (fragment, key) = changed(folder, change), place
    [line] = broken(folder, text)
    assert line.startswith(f"{folder / 'model.yaml'}:{line_of(text, fragment)}: {key}: {says[0]}")
    for part in [*says, "; fix: "]:
        assert part in line
    monkeypatch.setattr(
        "nightshift.definition.load.RULES", [other_rule for other_rule in RULES if other_rule.__name__ != rule]
    )
    assert load_definition(folder).name == "tiny"


def test_every_rule_is_broken_by_a_definition_here() -> None:
    assert {rule.__name__ for rule in check_rules.RULES} <= {rule for rule, *_ in BROKEN}


def test_a_reference_column_must_have_the_same_type_in_both_sources(models: Path) -> None:
    reference = plan("references: {x: {source: failures, columns: [load]}}")
    folder = models / "tiny"
    [line] = broken(folder, changed(folder, reference, (FAILED, f"{FAILED}\n      load: {{type: string}}")))
    assert "sources.plan.references.x.columns: 'load' has another type in 'failures'; " in line
    assert "received 'string'; allowed: number; fix: declare the same type in both" in line


def test_rows_are_compared_between_daily_sources_only(models: Path) -> None:
    folder = models / "tiny"
    text = changed(
        folder,
        plan("rows: {like: {source: failures}}"),
        ("after: 24h}\n", "after: 24h}\n    cadence: irregular\n"),
    )
    [line] = [line for line in broken(folder, text) if "rows.like" in line]
    assert "sources.plan.rows.like: both must be daily sources; fix: remove it" in line
