"""Where faults happen: some weeks of published history, and a night that one faulty file is landed for."""

from __future__ import annotations

import gzip
import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import yaml

from corpus.fault import Fault, Landed
from nightshift.definition.calendar import date_range, newest_partition
from nightshift.errors import NightshiftError
from nightshift.lake.files import local_path
from nightshift.lake.landed_parts import LandingFile, landing_file
from nightshift.lake.landing import needed_files
from nightshift.lake.read import Partition, published_partitions, read_dates, snapshot_of
from nightshift.lake.staging import load_staged
from nightshift.lake.tables import quarantine_table, raw_table
from nightshift.project import Project
from nightshift.replay.landing import DELIVERY
from nightshift.replay.landing import land as land_examples
from nightshift.settings import PROJECT, Settings
from nightshift.stages.audit import AuditResult, audit
from nightshift.stages.ingest import ingest, ingest_history
from nightshift.stages.publish import publish

MODEL = "flight_delay"
FIRST, NIGHTLY, NIGHT = date(2013, 5, 20), date(2013, 6, 26), date(2013, 7, 3)
RECENT = date(2013, 6, 28)  # what the night touches is dated later
MISSING = pc_csv.ConvertOptions(strings_can_be_null=True)
CONTRACT = Path(__file__).parent / "contract.yaml"
SOURCES = PROJECT / "include" / "sources"
EARLY, LATE = date(2000, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True)
class Run:
    """What became of a night: where it ended, what was said, and the checks that did not hold."""

    ended: str
    says: str = ""
    warnings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """In a word: pass, warn, or where it was refused."""
        return self.ended if self.ended != "published" else "warn" if self.warnings else "pass"


@dataclass(frozen=True)
class Tables:
    """What readers see of the raw tables and the quarantine.

    Attributes:
        snapshots: Each table's current snapshot.
        files: The files of every published date before the recent ones, which no reader sees changed in place.
        rows: The recent rows by value, in an order of their own; a table without any is left out.
    """

    snapshots: dict[str, int]
    files: dict[str, dict[date, Partition]]
    rows: dict[str, pa.Table]

    def same_rows(self, other: Tables) -> bool:
        """Whether a reader sees the same values."""
        return (self.files, self.rows) == (other.files, other.rows)

    def of(self, source: str) -> Tables:
        """The same of one source only."""
        names = (f"raw.{source}", f"quarantine.{source}")
        parts = ({name: held[name] for name in names if name in held} for held in (self.files, self.rows))
        return Tables(self.snapshots, *parts)


def tightened(models: Path, source: str = "", form: str = "csv") -> Path:
    """A folder with a copy of the definition, its contract tightened, one source in another form if told."""
    folder = models / MODEL
    shutil.copytree(PROJECT / "include" / "models" / MODEL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SOURCES / "landing.py", folder)
    declared = yaml.safe_load((folder / "model.yaml").read_text())
    declared["sources"] = {name: yaml.safe_load((SOURCES / f"{name}.yaml").read_text()) for name in declared["sources"]}
    told = merged(declared, yaml.safe_load(CONTRACT.read_text()))
    if source:
        told["sources"][source]["path"] = told["sources"][source]["path"].removesuffix("csv") + form
    (folder / "model.yaml").write_text(yaml.safe_dump(told, sort_keys=False))
    return models


def merged(into: Any, changes: Any) -> Any:
    """A mapping with the changes of another, at every depth."""
    if not isinstance(into, dict) or not isinstance(changes, dict):
        return changes
    return into | {key: merged(into.get(key), value) for key, value in changes.items()}


def run_night(project: Project, night: date) -> Run:
    """Ingest, audit and publish. Anything but an error of the project's own is a defect, and raised."""
    try:
        staged = ingest(project, night, progress=lambda text: None)  # a report is what else is printed
    except NightshiftError as error:
        return Run("ingest", str(error))
    try:
        audited = audit(project, staged, night, "corpus")
    except NightshiftError as error:
        return Run("audit", str(error), checks=broken_checks(project, night))
    publish(project, audited.locations)
    return Run("published", audited.summary, audited.warnings, broken_checks(project, night))


def broken_checks(project: Project, night: date) -> tuple[str, ...]:
    """The checks of a night that do not hold, as they were kept."""
    kept = [
        row for row in project.monitored(night, night) if row["monitor"] == "quality.raw" and row["verdict"] != "pass"
    ]
    return tuple(f"{row['subject']}, {row['statistic']}" for row in sorted(kept, key=lambda row: row["verdict"]))


def replay(project: Project, first: date, last: date) -> Iterator[tuple[date, Run]]:
    """Every real night from `first` to `last`, one after the other, each landed, checked and published."""
    for night in date_range(first, last):
        land_examples(project, night, since=max(first, night - DELIVERY))
        yield night, run_night(project, night)


class Scene:
    """An installation with some weeks of history, which can be put back to where it was.

    Args:
        folder: Where everything is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loops: dict[tuple[str, str], Project] = {}
        project = self.project()
        land_examples(project, NIGHT, since=FIRST)
        shutil.copytree(local_path(project.settings.landing_uri), folder / "good")
        audited = audit(project, ingest_history(project, EARLY, NIGHTLY - timedelta(days=1)), NIGHTLY, "history")
        publish(project, audited.locations)
        self.history = [(night, run_night(project, night)) for night in date_range(NIGHTLY, NIGHT - timedelta(days=1))]
        self._saved = sqlite3.connect(":memory:")
        with closing(self._catalog()) as catalog:
            catalog.backup(self._saved)
        tables = [
            name
            for [space] in project.lake.catalog.list_namespaces()
            for name in project.lake.catalog.list_tables(space)
        ]
        metadata = [Path(local_path(project.lake.catalog.load_table(name).metadata_location)) for name in tables]
        self._metadata = {file: file.read_bytes() for file in metadata}
        self.before = self.tables()
        self.good_run = run_night(project, NIGHT)
        self.good = self.tables()

    def project(self, source: str = "", form: str = "csv") -> Project:
        """The loop of the tightened definition, with one source in another form if told."""
        key = ("", "csv") if form == "csv" else (source, form)
        if key not in self._loops:
            models = tightened(self.folder / f"models-{key[0]}-{key[1]}", *key)
            self._loops[key] = Project(MODEL, Settings(home=PROJECT, var=self.folder / "var", models_folder=models))
        return self._loops[key]

    def reset(self) -> None:
        """Puts every table back to where the history ends: what is published is what the catalog points to."""
        for file, content in self._metadata.items():
            file.write_bytes(content)  # of older metadata ten versions are kept
        with closing(self._catalog()) as catalog:
            self._saved.backup(catalog)

    def tables(self, *sources: str) -> Tables:
        """What readers see: every table's snapshot, and the rows of all sources or of those named."""
        project = self.project()
        specs = [
            made(project.definition, name)
            for name in project.definition.sources
            for made in (raw_table, quarantine_table)
        ]
        there = [spec for spec in specs if project.lake.table_exists(spec.name)]
        snapshots = {spec.name: snapshot_of(project.lake, spec.name) for spec in there}
        there = [spec for spec in there if not sources or spec.local_name in sources]
        parts = {spec.name: published_partitions(project.lake, spec) for spec in there}
        # The register's one version is dated before all nights, and yet every night's own.
        recent = {spec.name: EARLY if spec.name == "raw.planes" else RECENT for spec in there}
        old = {name: {day: p for day, p in days.items() if day < recent[name]} for name, days in parts.items()}
        rows = {spec.name: read_dates(project.lake, spec, recent[spec.name], LATE) for spec in there}
        return Tables(
            snapshots,
            {name: days for name, days in old.items() if days},
            {name: in_order(one) for name, one in rows.items() if one.num_rows},
        )

    def land(self, fault: Fault) -> bytes:
        """Lands the faulty file in the place of the good one."""
        content = fault.make(self._landed(fault))
        self._write(fault, content)
        return content

    def land_good(self, fault: Fault) -> None:
        """Lands the good file again."""
        self._write(fault, self.good_file(fault))

    def good_file(self, fault: Fault) -> bytes:
        """The file that should have landed."""
        return as_form(self._csv(fault.source, self.file(fault).day), fault.form)

    def run(self, fault: Fault) -> Run:
        """The night, with whatever has landed."""
        return run_night(self.project(fault.source, fault.form), NIGHT)

    def mend(self, fault: Fault) -> AuditResult:
        """The good file lands, and what the night does with it and with no other file."""
        self.land_good(fault)
        project, day = self.project(fault.source, fault.form), self.file(fault).day
        staged = {(one.table, one.first): one.location for one in map(load_staged, ingest(project, NIGHT))}
        # An older day that landed again is published from the good file already, unless the fault got through.
        wanted = staged.get((f"raw.{fault.source}", day))
        if wanted is None:
            return AuditResult((), "nothing changed", ())
        audited = audit(project, [wanted], NIGHT, "corpus")
        publish(project, audited.locations)
        return audited

    def file(self, fault: Fault) -> LandingFile:
        """The file that a fault is in."""
        project = self.project(fault.source, fault.form)
        [needed] = [
            f for f in needed_files(project.definition, project.settings.landing_uri, NIGHT) if f.source == fault.source
        ]
        return landing_file(
            project.settings.landing_uri,
            fault.source,
            project.definition.sources[fault.source],
            needed.day - timedelta(days=fault.back),
        )

    def _landed(self, fault: Fault) -> Landed:
        day, definition = self.file(fault).day, self.project().definition
        newest = {n: newest_partition(definition.schedule, s, NIGHT) for n, s in definition.sources.items()}
        others = {name: self._csv(name, when) for name, when in newest.items() if name != fault.source}
        before = [self._csv(fault.source, day - timedelta(days=days)) for days in (0, 1, 7)]
        return Landed(*(as_form(content, fault.form) for content in before), others, Random(fault.name))

    def _csv(self, source: str, day: date) -> bytes:
        """A good file as it landed; of the register, which has one version, that one."""
        [file] = (self.folder / "good" / source).glob("*.csv" if source == "planes" else f"{day}.csv")
        return file.read_bytes()

    def _write(self, fault: Fault, content: bytes) -> None:
        file = Path(local_path(self.file(fault).uri))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def _catalog(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "var" / "catalog.db", timeout=60)


def as_form(content: bytes, form: str) -> bytes:
    """A CSV file in another form."""
    if form == "csv.gz":
        return gzip.compress(content, mtime=0)
    if form == "parquet":
        out = io.BytesIO()
        pq.write_table(pc_csv.read_csv(io.BytesIO(content), convert_options=MISSING), out)
        return out.getvalue()
    return content


def in_order(rows: pa.Table) -> pa.Table:
    """The rows sorted by every column."""
    return rows.sort_by([(name, "ascending") for name in rows.column_names])
