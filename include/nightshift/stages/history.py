"""Many nights at once, up to their features: what a first training learns from."""

from __future__ import annotations

from datetime import date, timedelta

from nightshift.compute.job import Job, find_submitter, run_job
from nightshift.definition.calendar import (
    date_range,
    label_dates,
    newest_partition,
    nights,
    only_nights,
    previous_night,
)
from nightshift.definition.calendar import newest_night as newest_night_up_to
from nightshift.definition.nights import require_scheduled
from nightshift.errors import NotYetAvailable
from nightshift.lake.read import landed_partitions, published_dates
from nightshift.lake.source_partitions import landed_dates, place_of
from nightshift.lake.staging import load_staged, new_attempt
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.project import Progress, Project
from nightshift.stages.audit import audit_and_publish
from nightshift.stages.ingest import ingest_history
from nightshift.stages.reread import reread
from nightshift.stages.wait import files_not_landed
from nightshift.training.dataset import Split

# How many days of history are ingested at once, so that memory stays flat.
BATCH_DAYS = 92


def build_history(project: Project, first: date, last: date, progress: Progress) -> None:
    """Ingests every landed date and builds the features of all nights among them in one Spark session.

    Raises:
        NotYetAvailable: If no file has landed.
        DataError: If a check failed.
        TerminalError: If a date is before the schedule's start or after its end.
    """
    for day in (first, last):
        require_scheduled(project.definition, day)
    find_submitter(project.settings)  # before anything is published: a wrong setting ends it here
    run_id = f"history-{first}-{last}"
    landed = False
    for begin in list(date_range(first, last))[::BATCH_DAYS]:
        end = min(begin + timedelta(days=BATCH_DAYS - 1), last)
        progress(f"ingesting {begin} to {end}")
        if staged := ingest_history(project, begin, end):
            audit_and_publish(project, staged, end, run_id, progress)
            landed = True
    if not landed:
        landing = project.settings.landing_uri
        raise NotYetAvailable(f"no file has landed for {first} to {last}", where=landing, fix="land some first")
    if not any(nights(project.definition.schedule, first, last)):
        progress(f"no date from {first} to {last} is a night: no features to compute")
        return
    progress("computing features")
    build_features(project, first, last, run_id, progress)


def build_features(project: Project, first: date, last: date, run_id: str, progress: Progress) -> None:
    """Computes and publishes the features of every night from `first` to `last`, in one Spark session.

    Raises:
        DataError: If a check failed.
    """
    model, attempt = project.definition.name, new_attempt(first, last)
    arguments = ("--model", model, "--from", str(first), "--to", str(last), "--attempt", attempt)
    features = run_job(project.settings, Job("features", arguments, many_nights=True), progress)
    audit_and_publish(project, features.staged, last, run_id, progress)


def reread_published(project: Project, progress: Progress) -> tuple[str, ...]:
    """Reads the published dates again that the definition reads otherwise now, and publishes them.

    Returns:
        What was read again, and what stays as it was read, a line each.

    Raises:
        DataError: If a check failed.
        TerminalError: If a landed file that has to be read again is gone.
    """
    progress("reading again what is declared otherwise")
    again = reread(project)
    if again.locations:
        last = max(load_staged(location).last for location in again.locations)
        audit_and_publish(project, again.locations, last, f"reread-{last}", progress)
    return tuple(f"{measurement.subject} {measurement.detail}" for measurement in again.measurements)


def newest_night(project: Project) -> date:
    """The newest night whose observations have landed, or whose features are built.

    Raises:
        NotYetAvailable: If there is none.
    """
    definition, landing = project.definition, project.settings.landing_uri
    observed = definition.sources[definition.observations.source]
    # Entities and keys have no file of their night: it has what any source has.
    sources = [observed] if definition.has_observation_files else definition.sources.values()
    dates = [*(day for source in sources for day in landed_dates(landing, source)), *built_nights(project)]
    if not dates:
        where = place_of(landing, observed)
        raise NotYetAvailable("no file of the observations has landed", where=where, fix="land some first")
    return newest_night_up_to(definition.schedule, max(dates))


def built_nights(project: Project, within: tuple[date, date] | None = None) -> list[date]:
    """The nights whose features are built, ascending; within two dates if given."""
    return only_nights(project.definition.schedule, _published(project, features_table(project.definition), within))


def _published(project: Project, spec: TableSpec, within: tuple[date, date] | None) -> set[date]:
    return set(published_dates(project.lake, spec, within)) if project.settings.has_catalog else set()


def dates_to_build(project: Project, dates: Split) -> tuple[date, date] | None:
    """The dates to build before a training can learn from all that has landed.

    Returns:
        The first and the last date, with room for the longest window; None if everything that has landed is built.
    """
    definition, landing = project.definition, project.settings.landing_uri
    landed = {name: landed_dates(landing, source) for name, source in definition.sources.items()}
    first, outcomes = max(dates.first, definition.schedule.start), raw_table(definition, definition.label.source)
    last_outcome = label_dates(definition, dates.last)[1]
    observed = set(landed[definition.observations.source])
    if observed and not definition.has_observation_files:
        source = definition.sources[definition.observations.source]
        within = set(nights(definition.schedule, min(observed), dates.last))
        observed = {day for day in within if newest_partition(definition.schedule, source, day) >= min(observed)}
    observed = set(only_nights(definition.schedule, (day for day in observed if first <= day <= dates.last)))
    labelled = {day for day in landed[definition.label.source] if first <= day <= last_outcome}
    missing = observed - set(built_nights(project, (first, dates.last)))
    if project.settings.has_catalog:
        labelled -= landed_partitions(project.lake, outcomes, within=(first, last_outcome)).keys()
    missing |= labelled
    if not missing:
        return None
    windows = [window for aggregate in definition.features.aggregates.values() for window in aggregate.windows]
    room = max(windows, default=timedelta())
    oldest = min(source_dates[0] for source_dates in landed.values() if source_dates)
    return max(min(missing) - room, oldest, definition.schedule.start), max(missing)


def newest_to_build(project: Project, last: date, as_of: date) -> date:
    """The date up to which to build before a training: the newest night before it whose files have landed, at least.

    Nights that have no outcome yet are built as well: the next training learns from them, and nobody would score them.

    Args:
        project: The model.
        last: The last date that the training itself needs.
        as_of: The date of the training.
    """
    schedule = project.definition.schedule
    night = min(previous_night(schedule, as_of), newest_night(project), schedule.end or date.max)
    night = newest_night_up_to(schedule, night)
    while night > last and files_not_landed(project, night):
        night = previous_night(schedule, night)
    return max(night, last)


def describe_unbuilt(project: Project, dates: Split) -> str:
    """The dates that a training does not learn from because nobody built them, with the command; empty if none."""
    if (span := dates_to_build(project, dates)) is None:
        return ""
    command = f"nightshift build {project.definition.name} --from {span[0]} --to {span[1]}"
    return f"not learned from: dates that have landed and are not built; to build them: {command}"


def require_built(project: Project, dates: Split) -> None:
    """Requires features of the training period and of the holdout.

    Raises:
        NotYetAvailable: If one of the two has none; with the command that builds them.
    """
    for begin, end, title in (
        (dates.first, dates.fitted, "training period"),
        (dates.holdout, dates.last, "holdout"),
    ):
        if built_nights(project, (begin, end)):
            continue
        model, span = project.definition.name, dates_to_build(project, dates)
        build = f"nightshift build {model} --from {span[0]} --to {span[1]}" if span else ""
        raise NotYetAvailable(
            f"no features of the {title} are built",
            where=features_table(project.definition).name,
            received=f"no night of {begin} to {end}",
            fix=f"{build}; or try and train with --build"
            if span
            else "land files of these dates, or choose another date to train as of",
        )
