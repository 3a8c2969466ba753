"""Builds the contract of a staged set from the definition, the published partitions and the run's other sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_partition, next_night, only_nights, weekdays_compare, zone_of
from nightshift.definition.checks import ColumnChecks, Reference
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Source
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.parquet import date_of_parquet_file, read_files
from nightshift.lake.read import Partition, data_files, published_dates, published_partitions
from nightshift.lake.source_partitions import date_of_input
from nightshift.lake.staging import load_staged, published_folder
from nightshift.lake.tables import (
    OBSERVED,
    Layer,
    TableSpec,
    features_table,
    raw_table,
    scores_table,
    split_identifier,
    table_spec,
)
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import features_contract, scores_contract, source_contract
from nightshift.quality.distributions import ColumnDistribution, published_distributions
from nightshift.quality.expectation import NEW_FILE, Contract
from nightshift.quality.usual import comparable_dates
from nightshift.registry.reference import ReferenceColumn
from nightshift.registry.store import Registry
from nightshift.types import Check, Staged

REMEMBERED_DATES = 14  # newest dates whose files a new file is compared with


@dataclass(frozen=True)
class Auditor:
    """Builds the contracts of a model's staged sets.

    Attributes:
        lake: The lake.
        definition: The model definition.
        registry: Opens the model's registry, which only audits of scores need.
        partitions: The published partitions by table, as of the first request: all checks of an audit share them.
    """

    lake: Lake
    definition: ModelDefinition
    registry: Callable[[], Registry]
    partitions: dict[str, dict[date, Partition]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def contract(self, staged: Staged, siblings: Sequence[Staged]) -> Contract:
        """The contract of a staged set.

        Args:
            staged: The set.
            siblings: The sets that are staged by the same run.
        """
        layer, name = split_identifier(staged.table)
        folder = self.definition.file_of(name).parent if layer is Layer.RAW else self.definition.folder
        return replace(self._contract(staged, siblings), folder=str(folder))

    def _contract(self, staged: Staged, siblings: Sequence[Staged]) -> Contract:
        layer, name = split_identifier(staged.table)
        if layer is Layer.RAW:
            return source_contract(name, self.definition.sources[name], self._source_context(name, staged, siblings))
        observations = self._observations(staged)
        context = AuditContext(
            day=_single_date(staged), by_weekday=weekdays_compare(self.definition.schedule), observations=observations
        )
        if layer is Layer.FEATURES:
            columns = self.definition.quality.features.columns
            history = self._history(features_table(self.definition), columns, staged)
            return features_contract(self.definition, replace(context, distributions=history))
        scores, table = self._holdout_scores(staged), table_spec(self.definition, staged.table, staged.inputs)
        if layer is Layer.SHADOW:  # the usual range is that of the champions' scores
            return scores_contract(self.definition, AuditContext(observations=observations, scores=scores), table)
        history = self._history(scores_table(self.definition), self.definition.quality.scores.columns, staged)
        return scores_contract(self.definition, replace(context, distributions=history, scores=scores), table)

    def _observations(self, staged: Staged) -> int:
        """How many rows a set of features or scores must have: one an observation."""
        counted = raw_table(self.definition, self.definition.observations.source)
        if not self.definition.has_daily_observations:
            if OBSERVED in staged.inputs:
                return int(staged.inputs[OBSERVED])
            counted = features_table(self.definition)
        rows = published_dates(self.lake, counted, (staged.first, staged.last))
        return sum(rows[night] for night in only_nights(self.definition.schedule, rows))

    def file_checks(self, staged: Staged, siblings: Sequence[Staged] = ()) -> list[Check]:
        """The checks of a source's landed files: whether one equals another date's file, byte for byte.

        Args:
            staged: The set.
            siblings: The sets that are staged by the same run: a night may stage several dates of a source.
        """
        layer, name = split_identifier(staged.table)
        source = self.definition.sources.get(name)
        if layer is not Layer.RAW or source is None or source.cadence != "daily" or source.repeats == "allow":
            return []
        digests, earlier = _digests_with_rows(source, staged), dict[date, str]()
        for sibling in siblings:
            if sibling.table == staged.table and sibling.last < staged.first:
                earlier |= _digests_with_rows(source, sibling)
        first_dates: dict[str, date] = {}  # of a file: a published date, or the earlier of two in the set
        for day, digest in chain(
            self._published_digests(name, staged).items(), sorted(earlier.items()), digests.items()
        ):
            first_dates.setdefault(digest, day)
        repeats = [
            f"the file of {day} is the same as that of {first_dates[digest]}"
            for day, digest in digests.items()
            if first_dates[digest] != day
        ]
        return [Check(NEW_FILE, "file", not repeats, float(len(repeats)), "; ".join(repeats[:3]), source.repeats)]

    def _source_context(self, name: str, staged: Staged, siblings: Sequence[Staged]) -> AuditContext:
        source, spec = self.definition.sources[name], raw_table(self.definition, name)
        days = (staged.last - staged.first).days + 1 if source.cadence == "daily" else 1
        rows, like = source.rows, source.rows.like
        row_counts = {}
        if rows.usual is not None:
            row_counts = {day: partition.rows for day, partition in self._published(spec).items()}
        references = {
            reference: values
            for reference, declared in source.references.items()
            if (values := self._reference_values(declared, staged, siblings)) is not None
        }
        return AuditContext(
            days=days,
            day=_single_date(staged) if source.cadence == "daily" else None,
            zone=zone_of(self.definition.schedule, source),
            row_counts=row_counts,
            by_weekday=self._by_weekday(spec),
            distributions=self._history(spec, source.columns, staged),
            references=references,
            like_rows=self._row_count(like.source, staged, siblings) if like else None,
        )

    def _history(
        self, spec: TableSpec, columns: Mapping[str, ColumnChecks], staged: Staged
    ) -> dict[str, list[ColumnDistribution]]:
        """The distributions of the dates that a set is compared with, of the columns with a `usual`."""
        declared = {name: checks.usual for name, checks in columns.items() if checks.usual is not None}
        day = _single_date(staged)
        if day is None or not declared:
            return {}
        published, by_weekday = list(self._published(spec)), self._by_weekday(spec)
        if spec.layer is not Layer.RAW:
            published = only_nights(self.definition.schedule, published)
        compared = {
            name: comparable_dates(published, day, usual.weeks, by_weekday=by_weekday)
            for name, usual in declared.items()
        }
        dates = sorted({date for days in compared.values() for date in days})
        distributions = published_distributions(self.lake, spec, dates, list(declared))
        return {
            name: [distributions[date][name] for date in days if date in distributions]
            for name, days in compared.items()
        }

    def _by_weekday(self, spec: TableSpec) -> bool:
        """Whether dates of a table are compared with those of their weekday: always where it has more than nights."""
        schedule, published = self.definition.schedule, self._published(spec)
        more = spec.layer is Layer.RAW and len(only_nights(schedule, published)) < len(published)
        return weekdays_compare(schedule) or more

    def _reference_values(self, reference: Reference, staged: Staged, siblings: Sequence[Staged]) -> pa.Table | None:
        """The distinct values of another source in its newest partitions up to each date of a set.

        None until it has the declared number of partitions, and while it lacks the one that is due: nights may run in
        any order.
        """
        spec, first, last = raw_table(self.definition, reference.source), staged.first, staged.last
        staged_parts = [sibling for sibling in siblings if sibling.table == spec.name and sibling.first <= last]
        dates = {day for day in self._published(spec) if day <= last}
        dates |= {day for part in staged_parts for day in _dates(part) if day <= last}
        due = self._due_date(staged, reference.source)
        if len(dates) < reference.days or (due is not None and due not in dates):
            return None
        days = sorted(day for day in dates if day <= first)[-reference.days :]
        days += [day for day in dates if day > first]
        columns = list(reference.columns)
        files = [file for part in staged_parts for file in part.files]
        if self.lake.table_exists(spec.name):
            replaced = [(part.first, part.last) for part in staged_parts]
            files += [
                file
                for file in data_files(self.lake, spec, min(days), max(days))
                if not any(begin <= date_of_parquet_file(file) <= end for begin, end in replaced)
            ]
        distinct = [_distinct_values(file, spec, columns, days) for file in files]  # few rows of many
        return pa.concat_tables(distinct).group_by(columns, use_threads=False).aggregate([])

    def _due_date(self, staged: Staged, source: str) -> date | None:
        """The newest partition of another source, up to a set's date, that the night which stages the set can have."""
        staged_source = self.definition.sources[split_identifier(staged.table)[1]]
        reference_source = self.definition.sources[source]
        day, schedule = _single_date(staged), self.definition.schedule
        if day is None or "irregular" in (staged_source.cadence, reference_source.cadence):
            return None
        night = next_night(schedule, day - timedelta(days=1))
        while newest_partition(schedule, staged_source, night) < day:
            night = next_night(schedule, night)
        return min(newest_partition(schedule, reference_source, night), day)

    def _row_count(self, source: str, staged: Staged, siblings: Sequence[Staged]) -> int | None:
        """The number of rows of another source on the dates of a set; None if it lacks one of them."""
        spec = raw_table(self.definition, source)
        for sibling in siblings:  # which will replace the published partitions
            if sibling.table == spec.name and (sibling.first, sibling.last) == (staged.first, staged.last):
                return sibling.rows
        published = published_dates(self.lake, spec, (staged.first, staged.last))
        dates = {staged.first, *_dates(staged), staged.last}
        return sum(published[day] for day in dates) if dates <= published.keys() else None

    def _published_digests(self, name: str, staged: Staged) -> dict[date, str]:
        """The digests of the files of the newest published dates, without those that the set replaces."""
        source, spec = self.definition.sources[name], raw_table(self.definition, name)
        published = self._published(spec)
        days = [day for day in published if not staged.first <= day <= staged.last][-REMEMBERED_DATES:]
        folders = {day: published_folder(self.lake, spec, published[day]) for day in days}
        digests = {folder: _published_file_digests(source, folder) for folder in set(folders.values())}
        return {day: digests[folder][day] for day, folder in folders.items() if day in digests[folder]}

    def _published(self, spec: TableSpec) -> dict[date, Partition]:
        if spec.name not in self.partitions:
            self.partitions[spec.name] = published_partitions(self.lake, spec)
        return self.partitions[spec.name]

    def _holdout_scores(self, staged: Staged) -> ReferenceColumn | None:
        """The histogram of the scores that the version gave to its holdout."""
        registry = self.registry()
        version = registry.version(int(staged.inputs["model_version"]))
        return registry.reference(version).scores


def _distinct_values(file: str, spec: TableSpec, columns: Sequence[str], days: Sequence[date]) -> pa.Table:
    """The distinct values of columns in the rows of a file that are of some dates."""
    rows = read_files([file], spec, ("source_date", *columns))
    selected = rows.filter(pc.is_in(rows["source_date"], pa.array(days, pa.date32())))
    return selected.select(columns).group_by(list(columns), use_threads=False).aggregate([])


def _file_digests(source: Source, staged: Staged) -> dict[date | None, str]:
    """The digest of each landed file of a set, by the file's date."""
    return {date_of_input(source, uri): digest for uri, digest in staged.inputs.items()}


def _published_file_digests(source: Source, folder: str) -> dict[date | None, str]:
    """The digest of each landed file behind a published set, by the file's date; none if its manifest is gone."""
    try:
        return _file_digests(source, load_staged(folder))
    except TerminalError:
        return {}


def _digests_with_rows(source: Source, staged: Staged) -> dict[date, str]:
    """The digests of a set's files that have rows: files without rows may be equal."""
    digests = _file_digests(source, staged)
    return {day: digests[day] for day in _dates(staged) if day in digests}


def _dates(staged: Staged) -> list[date]:
    """The dates of a set's rows."""
    return sorted({date_of_parquet_file(file) for file in staged.files})


def _single_date(staged: Staged) -> date | None:
    return staged.first if staged.first == staged.last else None
