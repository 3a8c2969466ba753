"""The features and labels of a night before anything is built, and what the night would leave out.

The landed files are ingested into an installation of its own in a temporary folder, in which the job of every night
computes the features. Dates whose files are gone are read from the published raw tables. The installation itself stays
as it is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import date_range, label_dates
from nightshift.definition.model import ModelDefinition
from nightshift.definition.nights import require_night
from nightshift.errors import NotYetAvailable
from nightshift.features.observations import observed_dates
from nightshift.features.plan import FeaturePlan, plan_features
from nightshift.lake.labels import join_labels, read_labels
from nightshift.lake.landed_lookups import LandedLookups
from nightshift.lake.landing import needed_files
from nightshift.lake.read import published_dates
from nightshift.lake.source_partitions import landed_dates, place_of, source_partition
from nightshift.lake.staging import load_staged, read_staged
from nightshift.lake.tables import TableSpec, features_table, raw_table
from nightshift.project import Progress, Project
from nightshift.quality.auditor import Auditor
from nightshift.quality.judge import judge
from nightshift.quality.staged_rows import InProcessRows
from nightshift.quality.uncounted import count_conditions, left_out_conditions
from nightshift.stages.by_hand import stage
from nightshift.stages.ingest import stage_files
from nightshift.stages.publish import publish
from nightshift.types import Staged

RUN = "preview"
LABEL = "label"


@dataclass(frozen=True)
class SourceDates:
    """The dates of a source that a night reads.

    Attributes:
        landed: Those whose file has landed.
        published: Those whose file is gone and whose rows are published.
        missing: Those that have neither.
    """

    landed: tuple[date, ...]
    published: tuple[date, ...]
    missing: tuple[date, ...]

    @property
    def present(self) -> list[date]:
        """The dates that have rows."""
        return sorted((*self.landed, *self.published))


@dataclass(frozen=True)
class NightPreview:
    """What a night would compute.

    Attributes:
        rows: The observations in the order of their key: the key, the label if there are any, and the features.
        labelled: The number of rows that have a label.
        read: What was read of each source, as sentences.
        left_out: What the night leaves out, or would be stopped by, as sentences.
    """

    rows: pa.Table
    labelled: int
    read: tuple[str, ...]
    left_out: tuple[str, ...]


def preview(project: Project, night: date, progress: Progress) -> NightPreview:
    """Computes the features of a night, and its labels if they have landed, without publishing anything.

    Raises:
        NotYetAvailable: If the night's observations have not landed.
        DataError: If a landed file cannot be read as it is declared.
        TerminalError: If the date is not a night of the model, or an expression fails.
    """
    require_night(project.definition, night)
    dates = _dates_to_read(project, night)
    _require_observations(project, night, dates[project.definition.observations.source])
    with tempfile.TemporaryDirectory(prefix="nightshift-preview-") as folder:
        scratch = Project(project.definition.name, project.settings.scratch_copy(Path(folder)))
        progress(f"a temporary installation in {folder}, removed at the end")
        staged = {
            name: _stage_source(project, scratch, name, source_dates, progress)
            for name, source_dates in dates.items()
            if source_dates.present
        }
        left_out = [*_missing(dates), *_publish_raw(scratch, staged, progress)]
        progress("computing features")
        staged_features = [load_staged(location) for location in stage(scratch, "features", night, progress)]
        features = staged_features[-1]
        left_out += _stopped_by(scratch, features, [features])
        rows = read_staged(features, features_table(scratch.definition))
        rows, labelled, unmatched = _with_labels(scratch, night, rows)
    read = [
        f"{name}: {_span(source_dates.present)}, {staged[name].rows:,} rows"
        for name, source_dates in dates.items()
        if name in staged
    ]
    return NightPreview(rows, labelled, tuple(read), (*left_out, *unmatched))


def _dates_to_read(project: Project, night: date) -> dict[str, SourceDates]:
    """The dates that a night reads: its own files, its windows, its look-ups, and its labels."""
    definition, settings = project.definition, project.settings
    landed = {name: set(landed_dates(settings.landing_uri, source)) for name, source in definition.sources.items()}
    published = {name: _published(project, raw_table(definition, name)) - landed[name] for name in landed}
    plan = plan_features(definition, night, night, {name: landed[name] | published[name] for name in landed})
    wanted: dict[str, set[date]] = {name: set() for name in definition.sources}
    for file in needed_files(definition, settings.landing_uri, night):
        wanted[file.source].add(file.day)
    for name in plan.windows:
        wanted[name].update(day for tile in plan.tiles(name) for day in tile.dates)
    for name, versions in plan.versions.items():
        wanted[name].update(version.tile.start for version in versions)
    wanted[definition.observations.source].update(_observed(definition, night, plan))
    wanted[definition.label.source].update(date_range(*label_dates(definition, night)))
    return {
        name: SourceDates(
            tuple(sorted(days & landed[name])),
            tuple(sorted(days & published[name])),
            tuple(sorted(days - landed[name] - published[name])),
        )
        for name, days in wanted.items()
    }


def _published(project: Project, spec: TableSpec) -> set[date]:
    return set(published_dates(project.lake, spec)) if project.settings.has_catalog else set()


def _observed(definition: ModelDefinition, night: date, plan: FeaturePlan) -> list[date]:
    """The dates of the source whose rows make a night's observations."""
    versions = plan.versions.get(definition.observations.source, ())
    return list(date_range(*observed_dates(definition, night, night, versions)))


def _require_observations(project: Project, night: date, dates: SourceDates) -> None:
    definition, landing = project.definition, project.settings.landing_uri
    name = definition.observations.source
    source = definition.sources[name]
    if night in dates.present or (dates.present and not definition.has_observation_files):
        return
    landed = landed_dates(landing, source)
    raise NotYetAvailable(
        f"the observations of {night} have not landed" if landed else f"no file of '{name}' has landed",
        where=source_partition(landing, name, source, night).uri if landed else place_of(landing, source),
        allowed=f"a night of {landed[0]} to {landed[-1]}" if landed else None,
        fix="choose another night, or land the file" if landed else "land files there, or correct the path",
    )


def _missing(dates: Mapping[str, SourceDates]) -> Iterator[str]:
    for name, source_dates in dates.items():
        if missing := source_dates.missing:
            count = "1 date has" if len(missing) == 1 else f"{len(missing)} dates have"
            yield f"{name}: {count} not landed ({_span(missing)}); windows do without, a night waits for its own files"


def _stage_source(project: Project, scratch: Project, name: str, dates: SourceDates, progress: Progress) -> Staged:
    definition, landing = project.definition, project.settings.landing_uri
    progress(f"reading {len(dates.present)} dates of {name}")
    source, spec = definition.sources[name], raw_table(definition, name)
    files = [source_partition(landing, name, source, day) for day in dates.landed]
    published = [project.read(spec, day, day) for day in dates.published]
    lookups = LandedLookups(scratch.definition, landing)
    return load_staged(stage_files(scratch, name, files, dates.present[0], dates.present[-1], lookups, published))


def _publish_raw(scratch: Project, staged: Mapping[str, Staged], progress: Progress) -> Iterator[str]:
    """Publishes the sources to the temporary installation as a night would; says which rows are left out and why.

    A set that fails its checks, which stops a night, is published all the same: its features can be looked at.
    """
    auditor = Auditor(scratch.lake, scratch.definition, lambda: scratch.registry)
    for name, source_set in staged.items():
        progress(f"checking {name}")
        judgement = judge(auditor, source_set, list(staged.values()), RUN)
        if judgement.verdict.outcome != "pass":
            yield _verdict_sentence(judgement.verdict.outcome, judgement.verdict.summary())
        publish(scratch, judgement.locations or [source_set.location])
        yield from _uncounted(scratch.definition, name, source_set)


def _uncounted(definition: ModelDefinition, name: str, staged: Staged) -> Iterator[str]:
    """The rows of a source that no aggregate counts, or no look-up matches, by reason."""
    conditions = list(left_out_conditions(definition, name))
    rows = InProcessRows(read_staged(staged, raw_table(definition, name)), {})
    counts = count_conditions(conditions, rows)
    for reason in dict.fromkeys(count for count in counts if isinstance(count, str)):
        yield f"{name}: rows that features leave out could not be counted: {reason}"
    for condition, count in zip(conditions, counts, strict=True):
        if isinstance(count, int) and count:
            yield f"{name}: {count:,} of {rows.rows:,} rows of {staged.dates} {condition.predicate}"


def _stopped_by(scratch: Project, staged: Staged, siblings: Sequence[Staged]) -> Iterator[str]:
    auditor = Auditor(scratch.lake, scratch.definition, lambda: scratch.registry)
    verdict = judge(auditor, staged, siblings, RUN).verdict
    if verdict.outcome != "pass":
        yield _verdict_sentence(verdict.outcome, verdict.summary())


def _verdict_sentence(outcome: str, summary: str) -> str:
    return f"the night would {'stop' if outcome == 'fail' else 'warn'}: {summary}"


def _with_labels(scratch: Project, night: date, rows: pa.Table) -> tuple[pa.Table, int, list[str]]:
    """The rows with their labels after their key, how many have one, and what does not match."""
    definition = scratch.definition
    key = list(features_table(definition).key)
    rows = rows.sort_by([(column, "ascending") for column in key])
    source, dates = definition.label.source, label_dates(definition, night)
    published = published_dates(scratch.lake, raw_table(definition, source), dates)
    if missing := [day for day in date_range(*dates) if day not in published]:
        return rows, 0, [f"label: no file of '{source}' for {_span(missing)} has landed, so no row has a label"]
    labels = read_labels(scratch.lake, definition, rows.select(["score_date", *definition.observations.key]))
    labelled = join_labels(rows.select(key), labels, definition.observations.key)
    matched = labelled.num_rows
    rows = rows.join(labelled, key, join_type="left outer").sort_by([(column, "ascending") for column in key])
    rows = rows.select([*key, LABEL, *(name for name in rows.column_names if name not in {*key, LABEL})])
    unlabelled, unmatched = pc.sum(pc.is_null(rows[LABEL])).as_py() or 0, labels.num_rows - matched
    return (
        rows,
        matched,
        [
            *([f"label: {unlabelled:,} of {rows.num_rows:,} observations have no label"] if unlabelled else []),
            *([f"label: {unmatched:,} of {labels.num_rows:,} labels have no observation"] if unmatched else []),
        ],
    )


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{len(days)} dates of {days[0]} to {days[-1]}"
