"""Profiles: counts of rows over bins that the model's reference has fixed. Profiles add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from nightshift.lake.zeros import plain_zeros
from nightshift.registry.bins import Bins, CategoryBins, NumberBins

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]
Rows: TypeAlias = "pa.Table | pa.RecordBatch"

BINS = 10  # of a number: deciles
MOST_VALUES = 50  # of a category that have a bin each
MOST_SLICES = 100  # of a column


@dataclass(frozen=True)
class Moments:
    """Count, mean, and sum of squared deviations of the finite values of a number."""

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    @classmethod
    def of(cls, finite: Vector) -> Moments:
        """The moments of finite values."""
        if len(finite) == 0:
            return cls()
        mean = float(finite.mean())
        return cls(len(finite), mean, float(np.square(finite - mean).sum()))

    def __add__(self, moments: Moments) -> Moments:
        """The moments of both together.

        Source: T. Chan, G. Golub, R. LeVeque, Updating formulae and a pairwise algorithm for computing sample
        variances (1979).
        """
        count = self.count + moments.count
        if count == 0:
            return self
        difference = moments.mean - self.mean
        mean = self.mean + difference * (moments.count / count)
        m2 = self.m2 + moments.m2 + difference * difference * (self.count * (moments.count / count))
        return Moments(count, mean, m2)

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


@dataclass(frozen=True)
class Profile:
    """Counts, moments and products of some rows. The profiles of two parts add up to that of all rows.

    Attributes:
        rows: How many rows.
        counts: By column how many rows are in each bin; the last but one counts unknown values (a category that the
            reference does not have, an infinite number), the last missing ones.
        moments: Of each column of numbers.
        sums: Of the normal scores (see `learn_bins`) of the columns in the order of `counts`, shape (columns,).
        products: Of every two of them, shape (columns, columns).
    """

    rows: int
    counts: Mapping[str, Counts]
    moments: Mapping[str, Moments] = field(default_factory=dict)
    sums: Vector = field(default_factory=lambda: np.zeros(0))
    products: Vector = field(default_factory=lambda: np.zeros((0, 0)))

    def __add__(self, profile: Profile) -> Profile:
        return Profile(
            self.rows + profile.rows,
            {name: counts + profile.counts[name] for name, counts in self.counts.items()},
            {name: column + profile.moments[name] for name, column in self.moments.items()},
            self.sums + profile.sums,
            self.products + profile.products,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "rows": self.rows,
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
            "moments": {name: [moments.count, moments.mean, moments.m2] for name, moments in self.moments.items()},
            "sums": self.sums.tolist(),
            "products": self.products.tolist(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Profile:
        """The inverse of `to_json`."""
        columns = len(document["sums"])
        return cls(
            document["rows"],
            {name: np.array(counts, dtype=np.int64) for name, counts in document["counts"].items()},
            {name: Moments(*moments) for name, moments in document["moments"].items()},
            np.array(document["sums"], dtype=np.float64),
            np.array(document["products"], dtype=np.float64).reshape(columns, columns),
        )


def learn_bins(rows: pa.Table, types: Mapping[str, str]) -> dict[str, Bins]:
    """The bins of columns, fixed by the rows of a reference.

    Numbers are cut at deciles: a value is in the bin whose upper edge it does not exceed. Categories have a bin for
    each value, the frequent ones of many. Both have one more bin for unknown values (infinite numbers, categories that
    the reference does not have) and one for missing values. The normal scores of bins make columns of any type and
    shape comparable, as in a rank correlation, and no value outweighs the rest.
    """

    def learn(name: str) -> Bins:
        return _category_bins(rows[name]) if types[name] == "category" else _number_bins(rows[name])

    with ThreadPoolExecutor() as pool:
        return dict(zip(types, pool.map(learn, types), strict=True))


@dataclass(frozen=True)
class BinnedRows:
    """The bin of each value of some rows.

    Attributes:
        rows: How many rows.
        bins: By column.
        codes: By column the bin of each row, shape (rows,).
        values: Of each column of numbers, shape (rows,).
    """

    rows: int
    bins: Mapping[str, Bins]
    codes: Mapping[str, Counts]
    values: Mapping[str, Vector]

    @classmethod
    def of(cls, rows: Rows, bins: Mapping[str, Bins]) -> BinnedRows:
        """Bins rows that have a column for each of the bins."""
        numeric = [name for name, column in bins.items() if isinstance(column, NumberBins)]
        values = {name: numbers(rows.column(name)) for name in numeric}
        codes = {name: bin_codes(values.get(name, rows.column(name)), column) for name, column in bins.items()}
        return cls(rows.num_rows, bins, codes, values)

    def join(self, binned: BinnedRows) -> BinnedRows:
        """Adds columns of the same rows."""
        codes, values = {**self.codes, **binned.codes}, {**self.values, **binned.values}
        return BinnedRows(self.rows, {**self.bins, **binned.bins}, codes, values)

    def take(self, positions: npt.NDArray[np.int64]) -> BinnedRows:
        """The rows at some positions."""
        codes = {name: column[positions] for name, column in self.codes.items()}
        values = {name: column[positions] for name, column in self.values.items()}
        return BinnedRows(len(positions), self.bins, codes, values)

    def slice(self, start: int, end: int) -> BinnedRows:
        """The rows from `start` to `end - 1`."""
        codes = {name: column[start:end] for name, column in self.codes.items()}
        values = {name: column[start:end] for name, column in self.values.items()}
        return BinnedRows(end - start, self.bins, codes, values)

    def normal_scores(self) -> Vector:
        """The normal score of every value, shape (columns, rows)."""
        scores = np.empty((len(self.bins), self.rows))
        for position, (name, bins) in enumerate(self.bins.items()):
            np.take(np.asarray(bins.normal_scores), self.codes[name], out=scores[position])
        return scores

    def profile(self, *, joint: bool = True) -> Profile:
        """The profile of the rows, with or without sums and products of normal scores."""
        counts = {name: np.bincount(self.codes[name], minlength=bins.size) for name, bins in self.bins.items()}
        moments = {
            name: Moments.of(values if not counts[name][-2:].any() else values[np.isfinite(values)])
            for name, values in self.values.items()
        }
        scores = self.normal_scores() if joint else np.zeros((0, self.rows))
        return Profile(self.rows, counts, moments, scores.sum(axis=1), scores @ scores.T)


def profile_rows(rows: Rows, bins: Mapping[str, Bins], *, joint: bool = True) -> Profile:
    """The profile of rows that have a column for each of the bins."""
    return BinnedRows.of(rows, bins).profile(joint=joint)


def profile_slices(binned: BinnedRows, rows: Rows, columns: Sequence[str]) -> dict[str, Profile]:
    """The profiles of the slices of rows, by `column=value`; of a column with many values, of the frequent ones."""
    profiles = {}
    for column in columns:
        encoded = plain_zeros(rows.column(column)).cast(pa.string()).dictionary_encode()
        chunk = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = pc.fill_null(chunk.indices, -1).to_numpy(zero_copy_only=False)
        counts = np.bincount(codes[codes >= 0], minlength=len(chunk.dictionary))
        for code in np.argsort(-counts, kind="stable")[:MOST_SLICES]:
            members = binned.take(np.flatnonzero(codes == code))
            profiles[f"{column}={chunk.dictionary[int(code)]}"] = members.profile(joint=False)
    return profiles


def bin_codes(values: Any, bins: Bins) -> Counts:
    """The bin of each value.

    Args:
        values: Numbers as float64 with NaN for missing ones, or an Arrow column of categories.
        bins: Those of the reference.
    """
    missing = bins.size - 1
    unknown = missing - 1
    if isinstance(bins, NumberBins):
        codes: Counts = np.searchsorted(np.asarray(bins.edges, dtype=np.float64), values, side="left")
        if not np.isfinite(values).all():
            codes[np.isinf(values)], codes[np.isnan(values)] = unknown, missing
        return codes
    vocabulary = [*bins.values, *bins.rare]
    places = pc.index_in(values, pa.array(vocabulary, pa.string()))
    codes = pc.fill_null(places, len(vocabulary)).to_numpy(zero_copy_only=False)
    frequent = len(bins.values)
    codes = np.where(codes < frequent, codes, np.where(codes < len(vocabulary), frequent, unknown)).astype(np.int64)
    if values.null_count:
        codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = missing
    return codes


def numbers(values: Any) -> Vector:
    """An Arrow column as float64, with NaN for missing values."""
    column: Vector = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return column


def by_day(dates: Sequence[Any]) -> Iterator[tuple[Any, int, int]]:
    """Each day of dates in ascending order, with its first row and the row after its last."""
    days, starts = np.unique(np.asarray(dates), return_index=True)
    yield from zip(days.tolist(), starts.tolist(), [*starts[1:].tolist(), len(dates)], strict=True)


def _number_bins(column: pa.ChunkedArray) -> NumberBins:
    values = numbers(column)
    finite = values[np.isfinite(values)]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])) if len(finite) else np.empty(0)
    codes = np.searchsorted(edges, finite, side="left")
    counts = np.bincount(codes, minlength=len(edges) + 1)
    # The center of an empty bin is its edge.
    empty = np.append(edges, edges[-1:]) if len(edges) else np.zeros(1)
    sums = np.bincount(codes, finite, minlength=len(edges) + 1)
    centers = np.where(counts > 0, sums / np.maximum(counts, 1), empty)
    spread = float(finite.std()) if len(finite) else 0.0
    return NumberBins(
        tuple(edges.tolist()), tuple(np.maximum.accumulate(centers).tolist()), spread or 1.0, _normal_scores(counts)
    )


def _category_bins(column: pa.ChunkedArray) -> CategoryBins:
    frequencies = _frequencies(column)
    # If only one value is beyond the limit, it gets a bin too: a shared bin would hold no other value.
    shared = len(frequencies) > MOST_VALUES + 1
    frequent = frequencies[:MOST_VALUES] if shared else frequencies
    values = sorted(value for value, _ in frequent)
    rare = sorted(value for value, _ in frequencies[len(frequent) :])
    by_value = dict(frequencies)
    counts = [by_value[value] for value in values] + ([sum(by_value[value] for value in rare)] if rare else [])
    return CategoryBins(tuple(values), tuple(rare), _normal_scores(np.array(counts, dtype=np.int64)))


def _frequencies(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """The values of a column, the frequent ones first."""
    counted = pc.value_counts(column).to_pylist()
    pairs = [(entry["values"], entry["counts"]) for entry in counted if entry["values"] is not None]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _normal_scores(counts: Counts) -> tuple[float, ...]:
    """The normal score of the middle rank of each bin, standardised; 0 for unknown and missing values."""
    total = counts.sum()
    if not total:
        return (0.0,) * (len(counts) + 2)
    raw = ndtri((np.cumsum(counts) - counts / 2 + 0.5) / (total + 1))
    mean = (raw * counts).sum() / total
    deviation = np.sqrt((np.square(raw - mean) * counts).sum() / total)
    return (*np.round((raw - mean) / (deviation or 1.0), 6).tolist(), 0.0, 0.0)
