"""The commands about a model's versions: the champion, its predecessors, and the way back to one of them."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import DATE, Model, confirm, progress, write_line, write_note, write_rows
from nightshift.errors import TerminalError
from nightshift.settings import get_settings

if TYPE_CHECKING:
    from nightshift.project import Project
    from nightshift.registry.events import RegistryEvent, Reign
    from nightshift.registry.store import Version


def champion(
    model: Model,
    at: Annotated[date | None, typer.Option(**DATE, help="On this score date; now if left out.")] = None,
) -> None:
    """Show which version is the champion, or was on a score date: since when, why, with what evidence."""
    from nightshift.project import Project
    from nightshift.registry.events import newest_champion_change

    project = Project(model)
    if at is None:
        version, event = project.champions.require_champion(), newest_champion_change(project.champions.events())
        write_line(f"{model}: version {version.number} is the champion")
        for disagreement in project.champions.disagreements():
            write_note(f"{model}: {disagreement}")
        if event is None or event.to_version != version.number:
            return
    else:
        reign = project.champions.reign_on(at)
        event = reign.event
        champion = f"version {reign.version}" if reign.version else "no version"
        write_line(f"{model}: {champion} was the champion on {at}, by the effective dates of the events")
        write_line(f"until     {reign.until or 'now'}")
        write_line(f"scores    of {at}: {_scoring_version(project, at)}")
    write_line(f"since     {event.effective}, recorded {event.recorded_at:%Y-%m-%d %H:%M:%S} UTC")
    write_line(f"why       {event.event} by {event.actor}{_predecessor(event)}: {event.reason or 'no reason given'}")
    write_line(f"evidence  {event.evidence}, MLflow run {event.mlflow_run or 'unknown'}")


def versions(model: Model) -> None:
    """Show every version and every event in their history. The events are in monitoring.registry_events."""
    from nightshift.project import Project
    from nightshift.registry.events import challenger_changes, reigns
    from nightshift.registry.store import REASON, TRAINED
    from nightshift.stages.rebuild import definition_of

    project = Project(model)
    for disagreement in project.champions.disagreements():
        write_note(f"{model}: {disagreement}")
    events = project.champions.events()
    challenger = history[-1] if (history := challenger_changes(events)) else None
    rows = []
    for version in project.registry.versions().values():
        training_period = " to before ".join(version.tags.get(tag, "?") for tag in TRAINED)
        periods = _periods(reign for reign in reigns(events) if reign.version == version.number)
        if challenger and challenger[1] == version.number:
            periods = "; ".join(filter(None, [periods, f"challenger since {challenger[0].effective}"]))
        reason = version.tags.get(REASON)
        rows.append(
            (
                version.number,
                version.as_of,
                training_period,
                periods,
                definition_of(project, version),
                _holdout_metrics(project, version),
                reason,
            )
        )
    write_rows(
        ["version", "as of", "trained on", "champion", "definition", "holdout metrics", "reason"],
        rows,
        title=f"{model}: versions",
    )
    write_rows(
        ["recorded (UTC)", "effective", "event", "from", "to", "actor", "reason"],
        [_event_row(event) for event in events],
        title="events",
    )


def rollback(
    model: Model,
    to: Annotated[int | None, typer.Option(min=1, help="The version; the previous champion if left out.")] = None,
    reason: Annotated[str, typer.Option(help="Why; stored with the event.")] = "",
    effective: Annotated[
        date | None,
        typer.Option(**DATE, help="First score date; the night after the newest scored one if left out."),
    ] = None,
    force: Annotated[
        bool, typer.Option(help="Also a version that never passed its gate, or whose features cannot be computed.")
    ] = False,
) -> None:
    """Make an earlier version the champion again; it scores the next night."""
    from nightshift.project import Project

    event = Project(model).champions.roll_back(_user_name(), to, reason, effective, force=force)
    write_line(
        f"{model}: version {event.to_version} is the champion from {event.effective} on{_predecessor(event)}; "
        "nights that are published stay as they are"
    )


def retire(
    model: Model,
    champion: Annotated[
        int | None, typer.Option(min=1, help="Retire this version, the champion, instead of the challenger.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why; stored with the event.")] = "",
) -> None:
    """Retire the challenger, or with --champion the champion: its successor is judged without a comparison."""
    from nightshift.project import Project

    project = Project(model)
    if champion is not None:
        event = project.champions.retire(champion, _user_name(), reason)
        write_line(
            f"{model}: version {champion} is retired as champion from {event.effective} on; no night is scored until a "
            f"version is promoted: clear the failed gate of {model}.train, or trigger {model}.train"
        )
        return
    retired = project.challengers.retire(None, _user_name(), reason)
    if retired is None:
        write_line(f"{model}: there is no challenger")
        return
    write_line(f"{model}: version {retired.to_version} is retired as challenger; the version and its rows are kept")


def forget(
    model: Model,
    reason: Annotated[str, typer.Option(help="Why; stored with the events.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Give up the versions that MLflow lost, after its database was lost or an older copy was restored.

    Until then nothing of the model is trained, scored or measured. Rows that these versions scored stay, and no later
    version gets the number of one of them.
    """
    from nightshift.definition.load import find_definition
    from nightshift.lake.catalog import Lake
    from nightshift.registry.champions import Champions
    from nightshift.registry.lost_versions import lost_versions
    from nightshift.registry.store import Registry

    settings = get_settings()
    definition = find_definition(settings.models_path, model, settings.sources_path)
    champions = Champions(Registry(settings, model), Lake(settings), definition)
    lost = lost_versions(champions.registry, champions.events())
    if not lost:
        raise TerminalError("MLflow has every version that the events know", where=model, fix="nothing has to be done")
    write_line(f"{model}: MLflow lacks version {', '.join(map(str, lost))}, with their runs")
    if not yes:
        confirm("Give them up?", "nothing is changed", model)
    champions.forget(_user_name(), reason)
    write_line(f"{model}: given up; train a version, or go back to one that MLflow has: nightshift rollback {model}")


def reproduce(model: Model, version: Annotated[int, typer.Argument(help="Number of a registered version.")]) -> None:
    """Train a registered version again from its recorded inputs; exit code 1 unless it is identical, bit for bit."""
    from nightshift.project import Project
    from nightshift.stages.reproduce import reproduce as reproduce_stage

    with progress() as show:
        reproduction = reproduce_stage(Project(model), version, show)
    write_line(f"{model} version {version}: {reproduction.labels}")
    if reproduction.identical:
        write_line(f"{model} version {version}: identical, digest {reproduction.digest}")
        return
    registered = reproduction.version.digest
    differences = "; ".join(reproduction.differences) or "no recorded input differs"
    write_line(
        f"{model} version {version}: not identical, digest {reproduction.digest} instead of {registered}: {differences}"
    )
    raise typer.Exit(1)


def _scoring_version(project: Project, at: date) -> str:
    """The version that computed the published scores of a date."""
    from nightshift.lake.read import read_dates
    from nightshift.lake.tables import scores_table

    spec = scores_table(project.definition)
    if not project.lake.table_exists(spec.name):
        return "not published"
    column = read_dates(project.lake, spec, at, at, columns=("model_version",))[0]
    numbers = sorted(set(column.to_pylist()))
    return f"by version {', '.join(map(str, numbers))}" if numbers else "not published"


def _holdout_metrics(project: Project, version: Version) -> str:
    metrics = {
        name.removeprefix("holdout_"): value
        for name, value in sorted(project.registry.metrics(version.run_id).items())
        if name.startswith("holdout_")
    }
    return ", ".join(
        f"{name} {value:,.0f}" if name == "rows" else f"{name} {value:.4g}" for name, value in metrics.items()
    )


def _predecessor(event: RegistryEvent) -> str:
    return f", in place of version {event.from_version}" if event.from_version else ""


def _periods(reigns: Iterable[Reign]) -> str:
    return "; ".join(
        f"{reign.since} to before {reign.until}" if reign.until else f"since {reign.since}" for reign in reigns
    )


def _event_row(event: RegistryEvent) -> tuple[object, ...]:
    recorded = f"{event.recorded_at:%Y-%m-%d %H:%M:%S}"
    return recorded, event.effective, event.event, event.from_version, event.to_version, event.actor, event.reason


def _user_name() -> str:
    """The user who owns this process, whatever environment variables say."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
