"""Do two installations hold the same? Compares every published table row by row, and the digests of all versions.

For a change that is to leave behaviour as it is: run the same nights before and after, then

    .venv/bin/python scripts/compare_installations.py OLD_VAR NEW_VAR

What differs from run to run is left out: identifiers of runs, events and snapshots, instants, and measured speeds.
Sentences are compared apart: their wording may change while the facts stay. Exit code 1 if a fact differs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from nightshift.lake.catalog import Lake
from nightshift.lake.sql import run_sql
from nightshift.registry.store import Registry
from nightshift.settings import Settings

# `made_from` of tiles is a fingerprint of file names, which hold the attempt's identifier.
RUN_SPECIFIC = {
    "run_id", "event_id", "recorded_at", "mlflow_run", "after", "evidence", "features_snapshot", "quarantine_run",
    "made_from",
}  # fmt: skip
SENTENCES = {"detail", "reason", "quarantine_reason"}
BY_THE_CLOCK = "statistic not in ('speed', 'landed')"  # of monitoring tables


def tables_of(lake: Lake) -> set[str]:
    """The identifiers of all tables."""
    catalog = lake.catalog
    return {".".join(name) for space in catalog.list_namespaces() for name in catalog.list_tables(space)}


def digest_of(lake: Lake, table: str, columns: Sequence[str], where: str) -> tuple[int, str]:
    """The number of rows and a digest of them that does not depend on their order."""
    listed = ", ".join(f'"{name}"' for name in columns)
    query = f"select count(*), sum(hash({listed})::hugeint)::varchar from {table} where {where}"
    [(count, digest)] = run_sql(lake, query)[1]
    return int(count), str(digest)


def compare_table(lakes: Sequence[Lake], table: str) -> tuple[str, str, str]:
    """The rows of a table on both sides, whether its facts are the same, and whether its sentences are."""
    columns = [run_sql(lake, f"select * from {table} limit 0")[0] for lake in lakes]
    if columns[0] != columns[1]:
        return "", f"other columns: {sorted(set(columns[0]) ^ set(columns[1]))}", ""
    where = BY_THE_CLOCK if "statistic" in columns[0] else "true"
    facts = [name for name in columns[0] if name not in RUN_SPECIFIC | SENTENCES]
    (rows, digest), (new_rows, new_digest) = (digest_of(lake, table, facts, where) for lake in lakes)
    verdict = "identical" if (rows, digest) == (new_rows, new_digest) else "different"
    sentences = [name for name in columns[0] if name not in RUN_SPECIFIC]
    worded = [digest_of(lake, table, sentences, where) for lake in lakes]
    wording = "" if sentences == facts else "identical" if worded[0] == worded[1] else "worded otherwise"
    return f"{rows:,}" if rows == new_rows else f"{rows:,} and {new_rows:,}", verdict, wording


def compare_versions(settings: Sequence[Settings], model: str) -> list[tuple[str, str, str]]:
    """Each version's digest, and whether it is the same on both sides."""
    digests = [
        {number: version.digest for number, version in Registry(side, model).versions().items()} for side in settings
    ]
    numbers = sorted(digests[0] | digests[1])
    pairs = [tuple(side.get(number, "no such version") for side in digests) for number in numbers]
    return [
        (f"{model} version {number}", pair[0][:16], "identical" if pair[0] == pair[1] else f"different: {pair[1][:16]}")
        for number, pair in zip(numbers, pairs, strict=True)
    ]


def main(old: Path, new: Path) -> int:
    """Compares two `var` folders."""
    settings = [Settings(var=folder) for folder in (old, new)]
    lakes = [Lake(side) for side in settings]
    tables = [tables_of(lake) for lake in lakes]
    report = Table("table", "rows, or digest", "facts", "sentences")
    for table in sorted(tables[0] ^ tables[1]):
        report.add_row(table, "", "missing on one side", "")
    for table in sorted(tables[0] & tables[1]):
        report.add_row(table, *compare_table(lakes, table))
    for model in sorted({table.split(".", 1)[1] for table in tables[0] if table.startswith("scores.")}):
        for row in compare_versions(settings, model):
            report.add_row(*row, "")
    Console(width=120).print(report)
    return int(any(cell != "identical" for cell in report.columns[2].cells))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
