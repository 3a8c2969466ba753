"""Tiles of a few rows as files, and their content computed by hand; shared by tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from nightshift.definition.features import Aggregate
from nightshift.features.partials import load, lower, merge
from nightshift.features.plan import Tile
from nightshift.features.tiling import TileFile, TileReader, TileWriter
from nightshift.lake.groups import Group, partial_names, partial_types
from nightshift.lake.tables import Layer, TableSpec
from unit.features.spans import DAY, START

Row = dict[str, Any]

KEYS = {"name": "string", "number": "integer", "day": "date", "flag": "boolean"}
OPERANDS = {"n": "_true", "total": "_v", "latest": "_v", "kinds": "_text"}


def aggregates(prefix: str, by: tuple[str, ...]) -> dict[str, Aggregate]:
    declared = {
        "n": {"agg": "count"},
        "total": {"agg": "sum", "value": "v"},
        "latest": {"agg": "last", "value": "v"},
        "kinds": {"agg": "approx_distinct", "value": "text"},
    }
    common = {"source": "s", "by": by, "windows": ["7d"], "description": "d"}
    return {f"{prefix}{name}": Aggregate.model_validate(common | how) for name, how in declared.items()}


def group(prefix: str, *by: str) -> Group:
    """A group whose partials are stored for the first group's aggregates, since they are over the same values."""
    members = aggregates(prefix, by)
    return Group(by, members, {name: name.removeprefix(prefix) for name in members})


GROUPS = (group("", "name"), group("all_"), group("three_", "number", "day", "flag"), group("two_", "flag", "name"))
BY_NAME, OVER_ALL, BY_THREE, BY_TWO = GROUPS
IDENTITY = {"model": "string", "days": "integer", "source_date": "date", "made_from": "string", "by": "string"}
SPEC = TableSpec(
    Layer.TILES,
    "s",
    IDENTITY
    | {f"key_{name}": kind for name, kind in KEYS.items()}
    | {column: kind for name, a in aggregates("", ()).items() for column, kind in partial_types(name, a).items()},
    "source_date",
    ("source_date", "by"),
    split_by=("model", "days"),
    bounded=tuple(IDENTITY),
)

some_rows = st.lists(
    st.fixed_dictionaries(
        {
            "source_date": st.integers(0, 9).map(lambda days: START + days * DAY),
            "name": st.sampled_from(["a", "b", "", None]),
            "number": st.sampled_from([0, -1, 2**62, None]),
            "day": st.sampled_from([START, date(1969, 12, 31), None]),
            "flag": st.sampled_from([True, False, None]),
            "v": st.sampled_from([1.0, 0.1, -1e12, None]),
            "text": st.sampled_from(["x", "y", None]),
        }
    ),
    max_size=40,
)


def landed(rows: Iterable[Row]) -> pa.Table:
    """The rows that tiles are built from."""
    rows = list(rows)
    kinds = {"name": pa.string(), "number": pa.int64(), "day": pa.date32(), "flag": pa.bool_(), "source_date": None}
    columns = {name: [row[name] for row in rows] for name in kinds}
    return pa.table(
        {name: pa.array(values, kinds[name] or pa.date32()) for name, values in columns.items()}
        | {
            "_true": pa.array([True] * len(rows), pa.bool_()),
            "_v": pa.array([row["v"] for row in rows], pa.float64()),
            "_text": pa.array([row["text"] for row in rows], pa.string()),
            "_at": pa.array([row["source_date"] for row in rows], pa.date32()).cast(pa.timestamp("us", "UTC")),
        }
    )


def row(name: str | None = "a", *, number: int | None = 0, flag: bool | None = True, day: int = 0, v: float = 1) -> Row:
    keys = {"name": name, "number": number, "day": START, "flag": flag}
    return {"source_date": START + day * DAY, **keys, "v": float(v), "text": "x"}


def fingerprints(rows: pa.Table) -> dict[Tile, str]:
    return {Tile(day, 1): f"from {day}" for day in set(rows["source_date"].to_pylist())}


def write(writer: TileWriter, rows: Iterable[Row]) -> dict[Tile, list[str]]:
    """Writes the tiles of some rows; their files."""
    table = landed(rows)
    files: dict[Tile, list[str]] = {}
    for tile_file in writer.write_days(table, OPERANDS, fingerprints(table)):
        files.setdefault(tile_file.tile, []).append(tile_file.file)
    return files


def longer(writer: TileWriter, of: Tile, files: dict[Tile, list[str]]) -> list[TileFile]:
    """Writes a tile from shorter ones; its file, or none if it is empty."""
    return list(writer.write_longer(of, "from its parts", {part: files[part] for part in of.parts if part in files}))


def contents(files: dict[Tile, list[str]], of: Group, tiles: Iterable[Tile]) -> dict[tuple[Any, ...], list[Any]]:
    """The features of each key over some tiles, merged by hand from all rows with the key."""
    reader = TileReader(SPEC, files)
    rows = reader.read(of, tiles)
    row_numbers: dict[tuple[Any, ...], list[int]] = {}
    for number, key in enumerate(rows.select(of.keys).to_pylist() or [{} for _ in range(rows.num_rows)]):
        row_numbers.setdefault(tuple(key.values()), []).append(number)
    return {key: features(of, rows.take(numbers)) for key, numbers in row_numbers.items()}


def features(of: Group, rows: pa.Table) -> list[Any]:
    values = []
    for name, aggregate in of.stored_aggregates.items():
        partials = load({part: rows[f"{name}__{part}"] for part in partial_names(aggregate)})
        values += lower(aggregate, merge(aggregate, partials, np.array([0]), np.array([rows.num_rows]))).to_pylist()
    return values


def by_hand(rows: Iterable[Row], of: Group) -> dict[tuple[Any, ...], list[Any]]:
    """The features of each key from the rows themselves; rows with a null in the key belong to no key."""
    rows_by_key: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        rows_by_key.setdefault(tuple(row[column] for column in of.by), []).append(row)
    return {key: plain(members) for key, members in rows_by_key.items() if None not in key}


def plain(rows: list[Row]) -> list[Any]:
    values = [row["v"] for row in rows if row["v"] is not None]
    dated = [(row["source_date"], row["v"]) for row in rows if row["v"] is not None]
    total = sum(sorted(values, key=abs)) if values else None
    return [
        len(rows),
        pytest.approx(total, abs=1e-3),
        max(dated)[1] if dated else None,
        len({row["text"] for row in rows} - {None}) or None,
    ]
