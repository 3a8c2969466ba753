"""A digest of rows that does not depend on their order, nor on the tables they come in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_array

Numbers = npt.NDArray[np.uint64]

SEEDS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))
ABSENT = np.uint64(0x632BE59BD9B4E019)  # what a missing value counts as


class RowsDigest:
    """The digest of rows as a multiset: the same rows in any order, in any tables, have the same.

    Each row becomes a number of 64 bits, whose two different mixes are added up modulo 2^64. That shows a correction
    with a chance of 2^-64 to miss it; it is no proof against somebody who forges rows.
    """

    def __init__(self) -> None:
        self._rows, self._sums = 0, [np.uint64(0), np.uint64(0)]
        self._names: tuple[str, ...] = ()

    def add(self, table: pa.Table) -> None:
        """Adds rows, all with the same columns."""
        self._names = tuple(table.column_names)
        rows = np.zeros(table.num_rows, np.uint64)
        for column in table.columns:
            rows = _mixed(rows ^ _numbers(column)) + SEEDS[0]
        self._rows += table.num_rows
        with np.errstate(over="ignore"):
            self._sums = [
                total + _mixed(rows ^ seed).sum(dtype=np.uint64) for total, seed in zip(self._sums, SEEDS, strict=True)
            ]

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(repr((self._names, self._rows, *map(int, self._sums))).encode()).hexdigest()


def _numbers(column: pa.ChunkedArray) -> Numbers:
    """A number for each value; equal values have the same."""
    values = column.combine_chunks()
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.storage
    numbers = _mixed(_bits(values))
    return np.where(values.is_null().to_numpy(zero_copy_only=False), ABSENT, numbers) if values.null_count else numbers


def _bits(values: pa.Array) -> Numbers:
    kind = values.type
    if pa.types.is_boolean(kind):
        values, kind = values.cast(pa.uint8()), pa.uint8()
    if pa.types.is_integer(kind):
        return _whole_bits(values)
    if pa.types.is_floating(kind):
        numbers: npt.NDArray[np.float64] = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.float64)
        return (numbers + 0.0).view(np.uint64)  # -0.0 is 0.0
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        return _whole_bits(values.view(whole))
    return _text_bits(values)


def _whole_bits(values: pa.Array) -> Numbers:
    whole: npt.NDArray[np.int64] = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return whole.view(np.uint64)


def _text_bits(values: pa.Array) -> Numbers:
    """A hash of each text, and of the text of any other value: of each different value once."""
    as_text: Callable[[object], str] = (
        str if pa.types.is_string(values.type) or pa.types.is_large_string(values.type) else repr
    )
    try:
        coded = values.dictionary_encode()
    except pa.ArrowException:  # lists and structs
        return hash_array(np.array([repr(value) for value in values.to_pylist()], object), categorize=False)
    texts = np.array([as_text(value) for value in coded.dictionary.to_pylist()], object)
    codes = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
    return hash_array(texts, categorize=False)[codes] if len(texts) else np.zeros(len(values), np.uint64)


def _mixed(numbers: Numbers) -> Numbers:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014), which spreads every bit over all."""
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
