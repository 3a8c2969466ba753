"""Counts the rows of landed files that break the declared rules between columns."""

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
        types: The types of the files' columns.
    """

    def __init__(self, rules: Mapping[str, RowRule], types: Mapping[str, str]) -> None:
        self._columns = rule_columns(rules, types)
        self._violations = dict.fromkeys(rules, 0)
        self._first_dates: dict[str, date] = {}
        self._problems: dict[str, str] = {}
        self._rows = 0

    def add_file(self, day: date, rows: pa.Table) -> None:
        """Counts the rows of one file."""
        self._rows += rows.num_rows
        for name, rule in self._columns.items():
            try:
                holds = computed_columns(rows, {name: replace(rule, columns=rule.columns or ("source_date",))})
            except TerminalError as error:
                self._problems[name] = error.problem
                continue
            violations = pc.sum(pc.invert(holds[name])).as_py() or 0
            if violations:
                self._violations[name] += violations
                self._first_dates.setdefault(name, day)

    @property
    def evidence(self) -> dict[str, str]:
        """What the files show of each rule."""
        return {name: self._problems.get(name) or self._count(name, count) for name, count in self._violations.items()}

    def _count(self, name: str, violations: int) -> str:
        first = f", the first on {self._first_dates[name]}" if violations else ""
        return f"{violations:,} of {self._rows:,} rows break it{first}"
