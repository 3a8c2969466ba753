"""A night's data: landing files to staging, audit, publish; and a history of many nights at once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.calendar import is_available, nights, zone_of
from nightshift.definition.load import Replay, load_replay
from nightshift.errors import DataError, NotYetAvailable, first_line
from nightshift.lake.files import write_bytes
from nightshift.lake.landing import (
    LandingFile,
    digest_of,
    landed_dates,
    landing_file,
    missing_files,
    needed_files,
    read_landed,
    restated_files,
)
from nightshift.lake.publish import publish
from nightshift.lake.staging import load_staged, new_attempt, published_inputs, stage_arrow
from nightshift.lake.tables import Layer, layer_of, raw_table, table_spec
from nightshift.loop.workspace import Progress, Workspace
from nightshift.spark_submit import SparkSubmit
from nightshift.types import PROBLEM, Measurement, Staged

if TYPE_CHECKING:
    from nightshift.quality.judge import Judgement

log = logging.getLogger(__name__)

# How many days of history are ingested at once, so that memory stays flat.
HISTORY_AT_ONCE = 92


@dataclass(frozen=True)
class Audited:
    """What an audit lets through.

    Attributes:
        locations: The staged sets to publish, in their order.
        summary: The verdicts as sentences.
        warnings: Those that are worth an alert though they stop nothing.
        left_out: Why challengers have no scores of the night, which stops nothing either.
    """

    locations: tuple[str, ...]
    summary: str
    warnings: tuple[str, ...]
    left_out: tuple[str, ...] = ()


class Nights(Workspace):
    """What a night does with data, stage by stage."""

    def land(self, night: date, since: date | None = None) -> int:
        """Replays the landing of example data up to what had arrived by a night's cutoff.

        Only for definitions that carry a `landing.py`, as an example does. Files that have landed stay as
        they are.

        Returns:
            How many files landed.

        Raises:
            TerminalError: If the definition carries no example data.
        """
        schedule, first = self.definition.schedule, since or self.definition.schedule.start
        count = 0
        for name, text, content in self._replay(first, night):
            if (source := self.definition.sources.get(name)) is None:
                continue  # the data are another model's, which has more sources
            day = date.fromisoformat(text)
            file = landing_file(self.settings.landing_uri, name, source, day)
            if is_available(schedule, source, day, night) and missing_files([file]):
                write_bytes(file.uri, content)
                count += 1
        return count

    def missing(self, night: date) -> list[LandingFile]:
        """The files a night needs that have not landed."""
        return missing_files(needed_files(self.definition, self.settings.landing_uri, night))

    def ingest(self, night: date, run_id: str = "by hand", progress: Progress = print) -> list[str]:
        """Stages the files a night needs, and those that landed late or anew, corrected, since they were due.

        Those are kept in `monitoring`: what is made of their dates from now on is made of other rows than before.
        """
        files = needed_files(self.definition, self.settings.landing_uri, night)
        again = [
            (file, told)
            for file in restated_files(self.definition, self.settings.landing_uri, night)
            if (told := self._landed_since(file))
        ]
        staged = [self._stage_files(file.source, [file], file.day, file.day) for file in files]
        staged += [self._stage_files(file.source, [file], file.day, file.day) for file, _ in again]
        measured = [
            Measurement(f"{Layer.RAW.table(file.source)} of {file.day}", "landed", detail=told) for file, told in again
        ]
        for one in measured:
            progress(f"{one.subject}: {one.detail}")
        if measured:
            self.record("ingest", night, measured, run_id)
        return staged

    def ingest_history(self, first: date, last: date) -> list[str]:
        """Stages every landed file dated from `first` to `last`."""
        locations: list[str] = []
        for name, source in self.definition.sources.items():
            days = [day for day in landed_dates(self.settings.landing_uri, source) if first <= day <= last]
            files = [landing_file(self.settings.landing_uri, name, source, day) for day in days]
            if files:
                locations.append(self._stage_files(name, files, days[0], days[-1]))
        return locations

    def audit(self, locations: Sequence[str], night: date, run_id: str, progress: Progress = print) -> Audited:
        """Checks staged sets, keeps every verdict, and sets aside the rows that may be.

        What a challenger gave stops nothing: where it fails it is left out, with a warning.

        Returns:
            What may be published.

        Raises:
            DataError: If a check failed: nothing may be published.
        """
        # Tiles are not for readers: the features made of them are checked, and `nightshift skew` checks those.
        everything = [load_staged(location) for location in locations]
        staged = [one for one in everything if layer_of(one.table) not in {Layer.TILES, Layer.SHADOW}]
        found = self._judged(staged, run_id, progress)
        verdicts = [one.verdict for one in found]
        # Two sets of one table are a night's own and a restated one: the date tells them apart.
        tables = Counter(one.table for one in staged)
        measured = [m for verdict in verdicts for m in verdict.measurements(dated=tables[verdict.table] > 1)]
        self.record(f"quality.{layer_of(staged[0].table)}", night, measured, run_id)
        self._keep_docs(found, run_id)
        failed = [(one, verdict) for one, verdict in zip(staged, verdicts, strict=True) if verdict.outcome == "fail"]
        if failed:
            files = [name for one, _ in failed for name in one.inputs if "://" in name]
            raise DataError(
                "; ".join(verdict.summary() for _, verdict in failed),
                where=", ".join(files[:3]) or None,
                fix="nothing was published; mend the data and clear the run",
            )
        passed = {one.location: done.locations for one, done in zip(staged, found, strict=True)}
        beside = [one for one in everything if layer_of(one.table) is Layer.SHADOW]
        left_out = self._audit_shadow(beside, night, run_id, progress) if beside else {}
        passed |= dict.fromkeys(left_out, ())
        return Audited(
            tuple(location for one in everything for location in passed.get(one.location, [one.location])),
            "; ".join([*(verdict.summary() for verdict in verdicts), *left_out.values()]),
            tuple(verdict.summary() for verdict in verdicts if verdict.outcome == "warn"),
            tuple(left_out.values()),
        )

    def publish(self, locations: Sequence[str]) -> dict[str, int]:
        """Makes staged sets visible, each by one commit.

        Returns:
            Each table's snapshot; none of a challenger's that could not be published, which stops nothing.
        """
        snapshots = {}
        for one in [load_staged(location) for location in locations]:
            try:
                snapshots[one.table] = publish(self.lake, table_spec(self.definition, one.table), one)
            except Exception:
                if layer_of(one.table) is not Layer.SHADOW:
                    raise
                log.exception("%s of %s could not be published", one.table, one.dates)
        return snapshots

    def build_history(self, first: date, last: date, progress: Progress) -> None:
        """Ingests every landed date and builds the features of all of them in one Spark session."""
        run_id = f"history-{first}-{last}"
        landed = False
        for begin in list(nights(first, last))[::HISTORY_AT_ONCE]:
            end = min(begin + timedelta(days=HISTORY_AT_ONCE - 1), last)
            progress(f"ingesting {begin} to {end}")
            if staged := self.ingest_history(begin, end):
                self._audit_and_publish(staged, end, run_id, progress)
                landed = True
        if not landed:
            where = self.settings.landing_uri
            raise NotYetAvailable(f"no file has landed for {first} to {last}", where=where, fix="land some first")
        progress("computing features")
        arguments = ["--model", self.definition.name, "--from", str(first), "--to", str(last)]
        arguments += ["--attempt", new_attempt(first, last)]
        staged = SparkSubmit(self.settings, "features", arguments, long=True).run(progress)
        self._audit_and_publish(staged, last, run_id, progress)

    @cached_property
    def _replay(self) -> Replay:
        return load_replay(self.definition)

    def _audit_and_publish(self, staged: list[str], night: date, run_id: str, progress: Progress) -> None:
        audited = self.audit(staged, night, run_id, progress)
        progress(audited.summary)
        self.publish(audited.locations)

    def _audit_shadow(self, staged: Sequence[Staged], night: date, run_id: str, progress: Progress) -> dict[str, str]:
        """Checks what challengers gave and keeps what was found: the sets that are to be left out, and why."""
        left_out: dict[str, str] = {}
        measured: list[Measurement] = []
        for one in staged:
            version, problem = int(one.inputs["model_version"]), one.inputs.get(PROBLEM, "")
            try:
                if not problem:
                    found = self._judged([one], run_id, progress)
                    measured += found[0].verdict.measurements()
                    self._keep_docs(found, run_id)
                    problem = found[0].verdict.summary() if found[0].verdict.outcome == "fail" else ""
            except Exception as error:  # whatever it is, the champion's scores passed
                problem = f"it could not be checked: {type(error).__name__}: {first_line(error)}"
            if problem:
                left_out[one.location] = f"challenger {version} has no scores of this night: {problem}"
                progress(left_out[one.location])
            verdict = "fail" if problem else "pass"
            who = f"challenger {version}"
            measured.append(Measurement(who, "scored", one.rows, None, one.rows, verdict, problem, version))
        self.record("quality.shadow", night, measured, run_id)
        return left_out

    def _judged(self, staged: Sequence[Staged], run_id: str, progress: Progress) -> list[Judgement]:
        """The judgement of each set: of large ones by Spark, of the others in this process."""
        from nightshift.quality.auditor import Auditor
        from nightshift.quality.judge import judge, read_judgement

        large = [one for one in staged if one.rows > self.settings.audit_in_process]
        if large:
            arguments = ["--model", self.definition.name, "--run", run_id]
            for one in staged:
                arguments += ["--staged", one.location] if one in large else ["--beside", one.location]
            SparkSubmit(self.settings, "audit", arguments).run(progress)
        auditor = Auditor(self.lake, self.definition, lambda: self.registry)
        return [read_judgement(one) if one in large else judge(auditor, one, staged, run_id) for one in staged]

    def _keep_docs(self, found: Sequence[Judgement], run_id: str) -> None:
        from nightshift.quality.docs import Page, docs_folder, write_docs

        folder = docs_folder(self.settings.quality_docs_uri, self.definition.name, run_id)
        write_docs(folder, {Page.of(one.verdict): one.page for one in found})

    def _stage_files(self, name: str, files: list[LandingFile], first: date, last: date) -> str:
        spec, source = raw_table(self.definition, name), self.definition.sources[name]
        zone = zone_of(self.definition.schedule, source)
        read = [read_landed(file, source, spec, zone) for file in files]
        inputs = {file.uri: digest for file, (_, digest) in zip(files, read, strict=True)}
        rows = pa.concat_tables([table for table, _ in read])
        return stage_arrow(self.lake, spec, rows, first, last, inputs).location

    def _landed_since(self, file: LandingFile) -> str:
        """How a landed file is another one than was published for its date; nothing if it is the same."""
        spec = raw_table(self.definition, file.source)
        name = file.uri.rsplit("/", 1)[-1]
        try:
            published = published_inputs(self.lake, spec, file.day)
        except NotYetAvailable:
            return f"{name} landed late; nights before did without it"
        if published.get(file.uri) == digest_of(file.uri):
            return ""
        return f"{name} landed again, corrected; nights that are published stay as they are"
