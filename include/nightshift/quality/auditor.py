"""What a contract needs to know beside the definition: what was published before, or is staged beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.calendar import newest_partition, nights, zone_of
from nightshift.definition.checks import ColumnChecks, Reference
from nightshift.definition.model import ModelDefinition
from nightshift.definition.source import Source
from nightshift.lake.catalog import Lake
from nightshift.lake.landing import date_of_landing_file
from nightshift.lake.parquet import date_of_parquet_file
from nightshift.lake.read import Partition, published_dates, published_partitions, read_dates
from nightshift.lake.staging import load_staged, published_folder, read_staged
from nightshift.lake.tables import (
    Layer,
    TableSpec,
    features_table,
    raw_table,
    scores_table,
    shadow_table,
    split_identifier,
)
from nightshift.quality.contract import AuditContext, features_contract, scores_contract, source_contract
from nightshift.quality.distributions import ColumnDistribution, published_distributions
from nightshift.quality.expectation import NEW_FILE, Contract
from nightshift.quality.usual import same_weekdays
from nightshift.registry.reference import ReferenceColumn
from nightshift.registry.store import Registry
from nightshift.types import Check, Staged

LONGEST = timedelta(days=366)  # that a partition takes to be there
REMEMBERED = 14  # newest dates whose files a new file is compared with


@dataclass(frozen=True)
class Auditor:
    """What every audit of a model's staged sets looks at.

    Attributes:
        lake: The lake.
        definition: The model definition.
        registry: Opens the model's registry: only scores are held against what it keeps.
        seen: What was published when the audit looked first, by table: several checks look at the same.
    """

    lake: Lake
    definition: ModelDefinition
    registry: Callable[[], Registry]
    seen: dict[str, dict[date, Partition]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def contract(self, staged: Staged, beside: Sequence[Staged]) -> Contract:
        """The contract of a staged set.

        Args:
            staged: The set.
            beside: The sets that are staged together with it.
        """
        return replace(self._contract(staged, beside), folder=str(self.definition.folder))

    def _contract(self, staged: Staged, beside: Sequence[Staged]) -> Contract:
        layer, name = split_identifier(staged.table)
        if layer is Layer.RAW:
            return source_contract(name, self.definition.sources[name], self._of_source(name, staged, beside))
        observed = raw_table(self.definition, self.definition.observations.source)
        observations = sum(published_dates(self.lake, observed, (staged.first, staged.last)).values())
        if layer is Layer.FEATURES:
            spec, columns = features_table(self.definition), self.definition.quality.features.columns
            profiles = self._profiles(spec, columns, staged)
            background = AuditContext(day=_only(staged), observations=observations, distributions=profiles)
            return features_contract(self.definition, background)
        scores = self._holdout(staged)
        if layer is Layer.SHADOW:  # what is usual is the champions'
            return scores_contract(
                self.definition, AuditContext(observations=observations, scores=scores), shadow_table
            )
        spec, columns = scores_table(self.definition), self.definition.quality.scores.columns
        profiles = self._profiles(spec, columns, staged)
        background = AuditContext(day=_only(staged), observations=observations, distributions=profiles, scores=scores)
        return scores_contract(self.definition, background)

    def files(self, staged: Staged) -> list[Check]:
        """What is checked of a source's files: whether one is another date's, byte for byte, once more."""
        layer, name = split_identifier(staged.table)
        source = self.definition.sources.get(name)
        if layer is not Layer.RAW or source is None or source.cadence != "daily" or source.repeats == "allow":
            return []
        digests = _by_date(source, staged)
        known = self._digests(name, staged)
        first: dict[str, date] = {}  # who had a file: a published date, or the earlier of two in the set
        for day, digest in (*known.items(), *digests.items()):
            first.setdefault(digest, day)
        twice = [
            f"the file of {day} is the same as that of {first[digest]}"
            for day, digest in digests.items()
            if first[digest] != day
        ]
        return [Check(NEW_FILE, "file", not twice, float(len(twice)), "; ".join(twice[:3]), source.repeats)]

    def _of_source(self, name: str, staged: Staged, beside: Sequence[Staged]) -> AuditContext:
        source, spec = self.definition.sources[name], raw_table(self.definition, name)
        days = (staged.last - staged.first).days + 1 if source.cadence == "daily" else 1
        rows, like = source.rows, source.rows.like
        counts = {}
        if rows.usual is not None:
            counts = {day: one.rows for day, one in self._published(spec).items()}
        known = {
            reference: found
            for reference, declared in source.references.items()
            if (found := self._known(declared, staged, beside)) is not None
        }
        return AuditContext(
            days=days,
            day=_only(staged) if source.cadence == "daily" else None,
            zone=zone_of(self.definition.schedule, source),
            counts=counts,
            distributions=self._profiles(spec, source.columns, staged),
            known=known,
            alike=self._rows_of(like.source, staged, beside) if like else None,
        )

    def _profiles(
        self, spec: TableSpec, columns: Mapping[str, ColumnChecks], staged: Staged
    ) -> dict[str, list[ColumnDistribution]]:
        """Of the columns with a `usual`, how they were distributed on the same weekdays before."""
        declared = {name: rules.usual for name, rules in columns.items() if rules.usual is not None}
        day = _only(staged)
        if day is None or not declared:
            return {}
        published = list(self._published(spec))
        before = {name: same_weekdays(published, day, usual.weeks) for name, usual in declared.items()}
        looked_at = sorted({one for days in before.values() for one in days})
        profiles = published_distributions(self.lake, spec, looked_at, list(declared))
        return {name: [profiles[one][name] for one in days if one in profiles] for name, days in before.items()}

    def _known(self, reference: Reference, staged: Staged, beside: Sequence[Staged]) -> pa.Table | None:
        """What another source has in its newest partitions up to each date of a set.

        None until it has so many, and while it lacks the one that is due: nights may run out of their order.
        """
        spec, first, last = raw_table(self.definition, reference.source), staged.first, staged.last
        near = [one for one in beside if one.table == spec.name and one.first <= last]
        known = {day for day in self._published(spec) if day <= last}
        known |= {day for one in near for day in _dates(one) if day <= last}
        due = self._due(staged, reference.source)
        if len(known) < reference.days or (due is not None and due not in known):
            return None
        days = sorted(day for day in known if day <= first)[-reference.days :]
        days += [day for day in known if day > first]
        columns = list(reference.columns)
        parts = [read_staged(one, spec).select(["source_date", *columns]) for one in near]
        if self.lake.table_exists(spec.name):
            parts.append(read_dates(self.lake, spec, min(days), max(days), columns=("source_date", *columns)))
        rows = pa.concat_tables(parts)
        inside = rows.filter(pc.is_in(rows["source_date"], pa.array(days, pa.date32())))
        return inside.select(columns).group_by(columns, use_threads=False).aggregate([])

    def _due(self, staged: Staged, source: str) -> date | None:
        """The newest partition of another source, up to a set's date, that the night which stages it can have."""
        _, name = split_identifier(staged.table)
        own, other = self.definition.sources[name], self.definition.sources[source]
        day, schedule = _only(staged), self.definition.schedule
        if day is None or "irregular" in (own.cadence, other.cadence):
            return None
        night = next(one for one in nights(day, day + LONGEST) if newest_partition(schedule, own, one) >= day)
        return min(newest_partition(schedule, other, night), day)

    def _rows_of(self, source: str, staged: Staged, beside: Sequence[Staged]) -> int | None:
        """How many rows another source has of the dates of a set; None if it lacks one of them."""
        spec = raw_table(self.definition, source)
        for one in beside:  # which is to replace what is published
            if one.table == spec.name and (one.first, one.last) == (staged.first, staged.last):
                return one.rows
        published = published_dates(self.lake, spec, (staged.first, staged.last))
        dates = {staged.first, *_dates(staged), staged.last}
        return sum(published[day] for day in dates) if dates <= published.keys() else None

    def _digests(self, name: str, staged: Staged) -> dict[date, str]:
        """The digests of the files of the newest published dates, without those that the set replaces."""
        source, spec = self.definition.sources[name], raw_table(self.definition, name)
        published = self._published(spec)
        near = [day for day in published if not staged.first <= day <= staged.last][-REMEMBERED:]
        folders = {day: published_folder(self.lake, spec, published[day]) for day in near}
        digests = {folder: _landed(source, load_staged(folder)) for folder in set(folders.values())}
        return {day: digests[folder][day] for day, folder in folders.items() if day in digests[folder]}

    def _published(self, spec: TableSpec) -> dict[date, Partition]:
        if spec.name not in self.seen:
            self.seen[spec.name] = published_partitions(self.lake, spec)
        return self.seen[spec.name]

    def _holdout(self, staged: Staged) -> ReferenceColumn | None:
        """The histogram of the scores that the version gave to its holdout."""
        registry = self.registry()
        version = registry.version(int(staged.inputs["model_version"]))
        return registry.reference(version).scores


def _landed(source: Source, staged: Staged) -> dict[date | None, str]:
    """The digest of each landed file a set was made from, by its date."""
    return {date_of_landing_file(source, uri): digest for uri, digest in staged.inputs.items()}


def _by_date(source: Source, staged: Staged) -> dict[date, str]:
    """The digests of a set's files that hold rows: two files without any are alike, and right to be."""
    digests = _landed(source, staged)
    return {day: digests[day] for day in _dates(staged) if day in digests}


def _dates(staged: Staged) -> list[date]:
    """The dates a set has rows of."""
    return sorted({date_of_parquet_file(file) for file in staged.files})


def _only(staged: Staged) -> date | None:
    return staged.first if staged.first == staged.last else None
