"""The commands about what was measured of nights, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli_output import DATE, Format, Model, console, write_rows
from nightshift.definition.load import load_part
from nightshift.definition.monitoring_rules import retrain_problems
from nightshift.definition.retrain import Retrain

if TYPE_CHECKING:
    from nightshift.monitoring.decide import Decision

monitoring = typer.Typer()

SIZES = (100, 1_000, 10_000, 100_000)  # of nights, whose thresholds are shown


@monitoring.command("replay-policy")
def replay_policy(
    model: Model,
    first: Annotated[datetime, typer.Option("--from", formats=DATE, help="First night.")],
    last: Annotated[datetime, typer.Option("--to", formats=DATE, help="Last night.")],
    policy: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML with the keys of monitoring.retrain.")
    ] = None,
    nightly: Annotated[bool, typer.Option("--nightly", help="A row a night, not a month.")] = False,
    format: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table,
) -> None:
    """Decide a history anew under another retrain policy; nothing is trained, nothing is kept.

    Nights keep the version that scored them: what an additional training would have changed is not known.
    """
    from nightshift.loop import Loop

    loop = Loop(model)
    given = (
        load_part(policy, Retrain, lambda one: retrain_problems(one, loop.definition.prediction)) if policy else None
    )
    decisions = loop.replay_policy(first.date(), last.date(), given)
    names, rows = _by_night(decisions) if nightly else _by_month(decisions)
    write_rows(names, rows, format)
    if format is Format.table:
        asked = [str(one.night) for one in decisions if one.action == "request"]
        total = f"{model}: {len(asked)} of {len(decisions)} nights ask for a training"
        console.print(f"{total}{': ' if asked else ''}{', '.join(asked)}", highlight=False, soft_wrap=True)


@monitoring.command()
def thresholds(
    model: Model,
    version: Annotated[int | None, typer.Option(min=1, help="Of this version; of the champion if left out.")] = None,
    rows: Annotated[
        list[int] | None, typer.Option(min=10, help="Rows of a night; may be given more than once.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where the plots go; default: var/thresholds.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.table,
) -> None:
    """Print the thresholds that a version's drift is held against, and plot them over the days it learned from."""
    from nightshift.errors import TerminalError
    from nightshift.loop import Loop
    from nightshift.monitoring.calibration_page import render_thresholds, threshold_rows

    loop, sizes = Loop(model), sorted(set(rows or SIZES))
    of = loop.registry.version(version) if version else loop.registry.require_champion()
    reference, calibrated = loop.calibration(of)
    if calibrated is None:
        what = "the version does not know the days it learned from"
        raise TerminalError(what, where=f"{model}, version {of.number}", fix="train a new one")
    names = ["subject", "statistic", *(f"{size:,} rows" for size in sizes)]
    write_rows(names, threshold_rows(calibrated, sizes), format)
    file = page or loop.settings.var_path / "thresholds" / f"{model}-{of.number}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    title = f"{model}: the thresholds of version {of.number}"
    file.write_text(render_thresholds(title, reference, calibrated, sizes))
    if format is Format.table:
        told = f"{model}, version {of.number}: {calibrated.false_alarms}; the days it learned from are in {file}"
        console.print(told, highlight=False, soft_wrap=True)


def _by_night(decisions: Sequence[Decision]) -> tuple[list[str], list[tuple[object, ...]]]:
    return ["night", "version", "action", "reason"], [
        (one.night, one.version, one.action, one.reason) for one in decisions
    ]


def _by_month(decisions: Sequence[Decision]) -> tuple[list[str], list[tuple[object, ...]]]:
    """How many nights of each month ask, were held back and by what, and how often each trigger fired."""
    rows: list[tuple[object, ...]] = []
    for month in sorted({f"{one.night:%Y-%m}" for one in decisions}):
        of = [one for one in decisions if f"{one.night:%Y-%m}" == month]
        fired = Counter(finding.trigger for one in of for finding in one.findings if finding.fired)
        held = Counter(one.action.removeprefix("suppressed_by_") for one in of if one.action.startswith("suppressed"))
        asked = sum(one.action == "request" for one in of)
        rows.append((month, len(of), _told(fired), asked, _told(held)))
    return ["month", "nights", "triggers that fired", "requests", "held back by"], rows


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
