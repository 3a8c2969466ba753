"""What the aggregates of a source aggregate: a column of operands for each, computed by Spark or read as it landed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.features import Aggregate
from nightshift.definition.source import Source
from nightshift.lake.groups import Group

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LITERALS = {"true", "false", "null"}  # which a column's name can not be meant by
NUMBERS = {"integer", "number"}


@dataclass(frozen=True)
class Operand:
    """The values of rows that aggregates aggregate; aggregates over the same values share them.

    Attributes:
        value: The expression of the value; None of a count or a rate.
        where: The condition of the rows that count; None for all.
        kind: Spark's name of the values' type. A row that does not count has null.
    """

    value: str | None
    where: str | None
    kind: Literal["boolean", "string", "double"]

    @classmethod
    def of(cls, aggregate: Aggregate) -> Operand:
        """The operand of an aggregate."""
        if aggregate.agg in {"count", "rate"}:
            return cls(None, aggregate.where, "boolean")
        is_text = aggregate.agg == "approx_distinct" or aggregate.type == "category"
        return cls(aggregate.value, aggregate.where, "string" if is_text else "double")

    def is_landed(self, types: Mapping[str, str]) -> bool:
        """Whether it is a landed column as it is, or its number.

        Args:
            types: The landed columns with their types.
        """
        if self.kind == "boolean":
            return self.where is None or _type(self.where, types) == "boolean"
        landed = _type(str(self.value), types)
        return self.where is None and (landed == "string" if self.kind == "string" else landed in NUMBERS)

    def read(self, rows: pa.Table) -> pa.ChunkedArray | pa.Array:
        """Its values in landed rows, if it `is_landed`. -0.0 is 0.0."""
        if self.kind == "boolean":
            return rows[self.where] if self.where else pa.repeat(pa.scalar(True), rows.num_rows)
        values = rows[str(self.value)]
        return values if self.kind == "string" else pc.add(values.cast(pa.float64(), safe=False), 0.0)

    def column(self, rows: DataFrame) -> Column:
        """Its values as Spark computes them. -0.0 is 0.0."""
        from pyspark.sql import functions as F

        if self.kind == "boolean":
            return F.expr(self.where or "true")
        value = F.expr(str(self.value))
        kind = rows.select(value).schema[0].dataType
        if kind.typeName() in {"double", "float"}:  # as text, zeros with and without a sign would be two values
            value = value + F.lit(0.0).cast(kind)
        value = F.when(F.expr(self.where), value) if self.where else value
        return value.cast(self.kind)


@dataclass(frozen=True)
class Operands:
    """The operands of all aggregates of a source.

    Attributes:
        columns: The name of the column of each operand.
        names: For each aggregate that is stored, the name of its operand's column.
    """

    columns: Mapping[Operand, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, groups: Iterable[Group]) -> Operands:
        """The operands of the aggregates that groups store."""
        operands = {name: Operand.of(a) for group in groups for name, a in group.stored_aggregates.items()}
        columns = {operand: f"_{number}" for number, operand in enumerate(dict.fromkeys(operands.values()))}
        return cls(columns, {name: columns[operand] for name, operand in operands.items()})

    def are_landed(self, source: Source, groups: Iterable[Group]) -> bool:
        """Whether rows have them, and the groups' keys, as they landed: then nothing is Spark's to compute."""
        keys = {column for group in groups for column in group.by}
        landed = all(operand.is_landed(source.landed) for operand in self.columns)
        return landed and source.event_time is None and keys <= source.landed.keys()

    def read(self, rows: pa.Table) -> pa.Table:
        """Landed rows with their operands, if they `are_landed`."""
        for operand, name in self.columns.items():
            rows = rows.append_column(name, operand.read(rows))
        return rows


def _type(expression: str, types: Mapping[str, str]) -> str | None:
    """The type of the landed column that an expression is the name of; None if it is something else."""
    return None if expression.lower() in LITERALS else types.get(expression)
