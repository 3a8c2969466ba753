"""What files say of rules between columns that are declared already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.checks import RowRule
from nightshift.errors import TerminalError
from nightshift.quality.computed import computed_columns
from nightshift.quality.contract import rule_columns


class DeclaredRules:
    """Counts the rows that break declared rules, in one pass over files.

    Args:
        rules: The rules.
        types: The types of the columns that there are.
    """

    def __init__(self, rules: Mapping[str, RowRule], types: Mapping[str, str]) -> None:
        self._computed = rule_columns(rules, types)
        self._broken = dict.fromkeys(rules, 0)
        self._first: dict[str, date] = {}
        self._problems: dict[str, str] = {}
        self._rows = 0

    def look(self, day: date, rows: pa.Table) -> None:
        """Looks at the rows of one file."""
        self._rows += rows.num_rows
        for name, computed in self._computed.items():
            try:
                holds = computed_columns(rows, {name: replace(computed, columns=computed.columns or ("source_date",))})
            except TerminalError as error:
                self._problems[name] = error.what
                continue
            broken = pc.sum(pc.invert(holds[name])).as_py() or 0
            if broken:
                self._broken[name] += broken
                self._first.setdefault(name, day)

    @property
    def told(self) -> dict[str, str]:
        """What was seen of each rule."""
        return {
            name: self._problems.get(name)
            or f"{broken:,} of {self._rows:,} rows break it" + (f", the first on {self._first[name]}" if broken else "")
            for name, broken in self._broken.items()
        }
