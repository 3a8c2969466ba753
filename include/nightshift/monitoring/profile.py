"""Profiles: what is counted of a night, over bins that the model's reference has fixed. Profiles add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import norm

Counts = npt.NDArray[np.int64]
Vector = npt.NDArray[np.float64]
Bins = Mapping[str, Any]
Rows: TypeAlias = "pa.Table | pa.RecordBatch"

BINS = 10  # of a number: deciles
MOST_VALUES = 50  # of a category that have a bin of their own
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

    def __add__(self, other: Moments) -> Moments:
        """Both together.

        Source: T. Chan, G. Golub, R. LeVeque, Updating formulae and a pairwise algorithm for computing sample
        variances (1979).
        """
        count = self.count + other.count
        if count == 0:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        return Moments(count, mean, self.m2 + other.m2 + apart * apart * (self.count * (other.count / count)))

    @property
    def spread(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.m2 / self.count)) if self.count else 0.0


@dataclass(frozen=True)
class Profile:
    """What is known of some rows. The profiles of two parts add up to that of the whole.

    Attributes:
        rows: How many rows.
        counts: By column how many fall into each bin; the last but one holds what the bins do not know (a category
            never seen, an infinite number), the last what is missing.
        moments: Of each column of numbers.
        sums: Of the places (see `learn_bins`) of the columns in the order of `counts`, shape (columns,).
        products: Of every two of them, shape (columns, columns).
    """

    rows: int
    counts: Mapping[str, Counts]
    moments: Mapping[str, Moments] = field(default_factory=dict)
    sums: Vector = field(default_factory=lambda: np.zeros(0))
    products: Vector = field(default_factory=lambda: np.zeros((0, 0)))

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.rows + other.rows,
            {name: counts + other.counts[name] for name, counts in self.counts.items()},
            {name: moments + other.moments[name] for name, moments in self.moments.items()},
            self.sums + other.sums,
            self.products + other.products,
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "rows": self.rows,
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
            "moments": {name: [one.count, one.mean, one.m2] for name, one in self.moments.items()},
            "sums": self.sums.tolist(),
            "products": self.products.tolist(),
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Profile:
        """The inverse of `to_json`."""
        return cls(
            told["rows"],
            {name: np.array(counts, dtype=np.int64) for name, counts in told["counts"].items()},
            {name: Moments(*one) for name, one in told["moments"].items()},
            np.array(told["sums"], dtype=np.float64),
            np.array(told["products"], dtype=np.float64).reshape(len(told["sums"]), len(told["sums"])),
        )


def learn_bins(rows: pa.Table, types: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The bins of columns, fixed by the rows of a reference.

    Numbers are cut at deciles: a value falls into the bin whose upper edge it does not exceed. Categories are told
    apart by value, the frequent ones of many. Both have one more bin for what the reference does not know (infinite
    numbers, categories never seen) and one for what is missing.

    Returns:
        JSON-able, by column: `type`; `edges` of a number, with the mean of each bin's values (`centers`) and the
        standard deviation (`spread`), or `values` of a category and the `others` that share a bin; and `places`: a
        standard normal score for each bin, 0 for what is unknown or missing. Places make columns of any type and
        shape comparable, as in a rank correlation, and no value can outweigh the others.
    """

    def learn(name: str) -> dict[str, Any]:
        return _category(rows[name]) if types[name] == "category" else _number(rows[name])

    with ThreadPoolExecutor() as pool:
        return dict(zip(types, pool.map(learn, types), strict=True))


@dataclass(frozen=True)
class Placed:
    """The bins that the values of rows fall into, by column, and the values of numbers."""

    rows: int
    bins: Mapping[str, Bins]
    found: Mapping[str, Counts]
    values: Mapping[str, Vector]

    @classmethod
    def of(cls, rows: Rows, bins: Mapping[str, Bins]) -> Placed:
        """Of rows with a column for each of the bins."""
        values = {name: numbers(rows.column(name)) for name, one in bins.items() if one["type"] == "number"}
        found = {name: place(values.get(name, rows.column(name)), one) for name, one in bins.items()}
        return cls(rows.num_rows, bins, found, values)

    def beside(self, other: Placed) -> Placed:
        """With other columns of the same rows."""
        bins, found = {**self.bins, **other.bins}, {**self.found, **other.found}
        return Placed(self.rows, bins, found, {**self.values, **other.values})

    def part(self, chosen: npt.NDArray[np.int64]) -> Placed:
        """Some of the rows."""
        found = {name: one[chosen] for name, one in self.found.items()}
        return Placed(len(chosen), self.bins, found, {name: one[chosen] for name, one in self.values.items()})

    def between(self, start: int, end: int) -> Placed:
        """The rows from `start` to `end - 1`."""
        found = {name: one[start:end] for name, one in self.found.items()}
        return Placed(end - start, self.bins, found, {name: one[start:end] for name, one in self.values.items()})

    def places(self) -> Vector:
        """The place of every value, shape (columns, rows)."""
        places = np.empty((len(self.bins), self.rows))
        for position, (name, one) in enumerate(self.bins.items()):
            np.take(np.asarray(one["places"]), self.found[name], out=places[position])
        return places

    def profile(self, *, joint: bool = True) -> Profile:
        """The profile of the rows, with sums and products of places or without."""
        counts = {name: np.bincount(self.found[name], minlength=size(one)) for name, one in self.bins.items()}
        moments = {
            name: Moments.of(values if not counts[name][-2:].any() else values[np.isfinite(values)])
            for name, values in self.values.items()
        }
        places = self.places() if joint else np.zeros((0, self.rows))
        return Profile(self.rows, counts, moments, places.sum(axis=1), places @ places.T)


def profile_rows(rows: Rows, bins: Mapping[str, Bins], *, joint: bool = True) -> Profile:
    """The profile of rows, with a column for each of the bins."""
    return Placed.of(rows, bins).profile(joint=joint)


def profile_slices(placed: Placed, rows: Rows, columns: Sequence[str]) -> dict[str, Profile]:
    """The profiles of the slices of rows, by `column=value`; of a column with many values, of the frequent ones."""
    found = {}
    for column in columns:
        encoded = rows.column(column).cast(pa.string()).dictionary_encode()
        whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False)
        counts = np.bincount(codes[codes >= 0], minlength=len(whole.dictionary))
        for code in np.argsort(-counts, kind="stable")[:MOST_SLICES]:
            part = placed.part(np.flatnonzero(codes == code))
            found[f"{column}={whole.dictionary[int(code)]}"] = part.profile(joint=False)
    return found


def size(bins: Bins) -> int:
    """How many bins there are, with those of the unknown and the missing."""
    if bins["type"] == "category":
        return len(bins["values"]) + bool(bins["others"]) + 2
    return len(bins["edges"]) + 3


def place(values: Any, bins: Bins) -> Counts:
    """The bin of each value.

    Args:
        values: Numbers as float64 with NaN for what is missing, or an Arrow column of categories.
        bins: Those of the reference.
    """
    last = size(bins) - 1
    if bins["type"] == "number":
        found: Counts = np.searchsorted(np.asarray(bins["edges"], dtype=np.float64), values, side="left")
        if not np.isfinite(values).all():
            found[np.isinf(values)], found[np.isnan(values)] = last - 1, last
        return found
    known = [*bins["values"], *bins["others"]]
    codes = pc.fill_null(pc.index_in(values, pa.array(known, pa.string())), len(known)).to_numpy(zero_copy_only=False)
    own, shared = len(bins["values"]), len(bins["others"])
    codes = np.where(codes < own, codes, np.where(codes < own + shared, own, last - 1)).astype(np.int64)
    if values.null_count:
        codes[pc.is_null(values).to_numpy(zero_copy_only=False)] = last
    return codes


def numbers(values: Any) -> Vector:
    """An Arrow column as float64, with NaN for what is missing."""
    found: Vector = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return found


def _number(column: pa.ChunkedArray) -> dict[str, Any]:
    values = numbers(column)
    finite = values[np.isfinite(values)]
    inner = np.unique(np.quantile(finite, np.linspace(0, 1, BINS + 1)[1:-1])) if len(finite) else np.empty(0)
    found = np.searchsorted(inner, finite, side="left")
    counts = np.bincount(found, minlength=len(inner) + 1)
    # A bin that no value falls into lies at its edge.
    at = np.append(inner, inner[-1:]) if len(inner) else np.zeros(1)
    centers = np.where(counts > 0, np.bincount(found, finite, minlength=len(inner) + 1) / np.maximum(counts, 1), at)
    spread = float(finite.std()) if len(finite) else 0.0
    return {
        "type": "number",
        "edges": inner.tolist(),
        "centers": np.maximum.accumulate(centers).tolist(),
        "spread": spread or 1.0,
        "places": _places(counts),
    }


def _category(column: pa.ChunkedArray) -> dict[str, Any]:
    found = _frequencies(column)
    # Of one more value than have a bin, no two need to share one.
    own = found[:MOST_VALUES] if len(found) > MOST_VALUES + 1 else found
    values, others = sorted(value for value, _ in own), sorted(value for value, _ in found[len(own) :])
    counts = dict(found)
    listed = [counts[value] for value in values] + ([sum(counts[value] for value in others)] if others else [])
    return {"type": "category", "values": values, "others": others, "places": _places(np.array(listed, dtype=np.int64))}


def _frequencies(column: pa.ChunkedArray) -> list[tuple[Any, int]]:
    """The values of a column, the frequent ones first."""
    counted = pc.value_counts(column).to_pylist()
    pairs = [(one["values"], one["counts"]) for one in counted if one["values"] is not None]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


def _places(counts: Counts) -> list[float]:
    """The normal score of the middle rank of each bin, standardised; 0 for the unknown and the missing."""
    total = counts.sum()
    if not total:
        return [0.0] * (len(counts) + 2)
    raw = norm.ppf((np.cumsum(counts) - counts / 2 + 0.5) / (total + 1))
    mean = (raw * counts).sum() / total
    deviation = np.sqrt((np.square(raw - mean) * counts).sum() / total)
    return [*np.round((raw - mean) / (deviation or 1.0), 6).tolist(), 0.0, 0.0]


def by_day(dates: Sequence[Any]) -> Iterator[tuple[Any, int, int]]:
    """The first and the last row but one of each day, of dates in ascending order."""
    days, starts = np.unique(np.asarray(dates), return_index=True)
    yield from zip(days.tolist(), starts.tolist(), [*starts[1:].tolist(), len(dates)], strict=True)
