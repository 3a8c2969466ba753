"""The commands about a model's versions: which one is the champion, which were, and going back to one of them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli_output import DATE, Model, console, write_rows

if TYPE_CHECKING:
    from nightshift.loop import Loop
    from nightshift.registry.events import RegistryEvent, Reign

registry = typer.Typer()


@registry.command()
def champion(
    model: Model,
    at: Annotated[datetime | None, typer.Option(formats=DATE, help="On this score date; now if left out.")] = None,
) -> None:
    """Say which version is the champion, or was on a score date: since when, why, with what evidence."""
    from nightshift.loop import Loop

    loop = Loop(model)
    if at is None:
        version, event = loop.champions.present(_person())
        _say(f"{model}: version {version.number} is the champion")
    else:
        reign = loop.champions.at(at.date())
        event = reign.event
        which = f"version {reign.version}" if reign.version else "no version"
        _say(f"{model}: {which} was the champion on {at.date()}, by the effective dates of the events")
        _say(f"until     {reign.until or 'now'}")
        _say(f"scores    of {at.date()}: {_scored_by(loop, at)}")
    _say(f"since     {event.effective}, recorded {event.recorded_at:%Y-%m-%d %H:%M:%S} UTC")
    _say(f"why       {event.event} by {event.actor}{_in_place(event)}: {event.reason or 'no reason given'}")
    _say(f"evidence  {event.evidence}, MLflow run {event.mlflow_run or 'unknown'}")


@registry.command()
def versions(model: Model) -> None:
    """Show every version, and everything that happened to them. The events are in monitoring.registry_events."""
    from nightshift.loop import Loop
    from nightshift.registry.events import challenges, reigns
    from nightshift.registry.store import REASON, TRAINED

    loop = Loop(model)
    events = loop.champions.settle(_person())
    beside = known[-1] if (known := challenges(events)) else None
    rows = []
    for version in loop.registry.versions().values():
        tags = version.tags
        learned = " to before ".join(tags.get(name, "?") for name in TRAINED)
        metrics = sorted(loop.registry.metrics(version.run_id).items())
        held = ", ".join(
            f"{name[8:]} {value:,.0f}" if name == "holdout_rows" else f"{name[8:]} {value:.4g}"
            for name, value in metrics
            if name.startswith("holdout_")
        )
        reigned = _periods(one for one in reigns(events) if one.version == version.number)
        if beside and beside[1] == version.number:
            reigned = "; ".join(filter(None, [reigned, f"challenger since {beside[0].effective}"]))
        rows.append((version.number, version.as_of, learned, reigned, held, tags.get(REASON)))
    write_rows(
        ["version", "as of", "learned from", "champion", "on its holdout", "reason"], rows, title=f"{model}: versions"
    )
    write_rows(
        ["recorded (UTC)", "effective", "event", "from", "to", "actor", "reason"],
        [_row(one) for one in events],
        title="events",
    )


@registry.command()
def rollback(
    model: Model,
    to: Annotated[int | None, typer.Option(min=1, help="The version; default: the champion before this one.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")] = "",
    effective: Annotated[
        datetime | None,
        typer.Option(formats=DATE, help="First score date; default: the night after the newest scored one."),
    ] = None,
    force: Annotated[
        bool, typer.Option(help="Also a version that never passed its gate, or lacks a feature by now.")
    ] = False,
) -> None:
    """Make an earlier version the champion again; the next night is scored by it."""
    from nightshift.loop import Loop

    day = effective.date() if effective else None
    done = Loop(model).champions.roll_back(_person(), to, reason, day, force=force)
    _say(
        f"{model}: version {done.to_version} is the champion from {done.effective} on{_in_place(done)}; "
        "nights that are published stay as they are"
    )


@registry.command()
def retire(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; kept with the event.")] = "",
) -> None:
    """Let the challenger be none any more: it is scored in shadow no longer, and not promoted. The champion stays."""
    from nightshift.loop import Loop

    done = Loop(model).challengers.retire(None, _person(), reason)
    if done is None:
        _say(f"{model}: there is no challenger")
        return
    _say(f"{model}: version {done.to_version} is no challenger any more; it stays a version, and its rows are kept")


def _scored_by(loop: Loop, at: datetime) -> str:
    """Which version made the published scores of a date."""
    from nightshift.lake.read import read_dates
    from nightshift.lake.tables import scores_table

    spec = scores_table(loop.definition)
    if not loop.lake.has(spec.name):
        return "not published"
    found = set(read_dates(loop.lake, spec, at.date(), at.date(), columns=("model_version",))[0].to_pylist())
    return f"made by version {', '.join(map(str, sorted(found)))}" if found else "not published"


def _in_place(event: RegistryEvent) -> str:
    return f", in place of version {event.from_version}" if event.from_version else ""


def _periods(found: Iterable[Reign]) -> str:
    return "; ".join(f"{one.since} to before {one.until}" if one.until else f"since {one.since}" for one in found)


def _row(event: RegistryEvent) -> tuple[object, ...]:
    when = f"{event.recorded_at:%Y-%m-%d %H:%M:%S}"
    return when, event.effective, event.event, event.from_version, event.to_version, event.actor, event.reason


def _say(line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _person() -> str:
    """The user whose process this is; not what an environment variable says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
