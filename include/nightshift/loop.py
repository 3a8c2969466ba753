"""The loop: what a night does, stage by stage. DAG tasks and the command line call these and nothing else.

Each stage can be killed and run again. What passes between stages is the location of a staged set, or a
plain value.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nightshift.definition.calendar import is_available, newest_labelled, nights
from nightshift.definition.load import Replay, definition_hash, find_definition, load_replay
from nightshift.definition.model import ModelDefinition
from nightshift.errors import DataError, NotYetAvailable, TerminalError
from nightshift.features.groups import tiles_table
from nightshift.lake.catalog import Lake
from nightshift.lake.files import write_bytes
from nightshift.lake.labels import join_labels, read_labels
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
from nightshift.lake.read import published_dates, read_dates
from nightshift.lake.staging import inputs_of, load_staged, new_attempt, read_staged, stage_arrow
from nightshift.lake.tables import TableSpec, features_table, monitoring_table, raw_table, scores_table
from nightshift.settings import Settings, get_settings
from nightshift.spark_submit import SparkSubmit
from nightshift.types import Measurement, Staged

if TYPE_CHECKING:
    from nightshift.monitoring.decide import Decision
    from nightshift.quality.contract import Contract
    from nightshift.registry.store import Registry, Version
    from nightshift.training.gate import GateReport

log = logging.getLogger(__name__)

Progress = Callable[[str], None]

# How many days of history are ingested at once, so that memory stays flat.
HISTORY_AT_ONCE = 92
# How far back nights are looked at that monitoring missed, and how long late outcomes are waited for.
LOOKBACK, RESTATED = timedelta(days=60), timedelta(days=3)


@dataclass(frozen=True)
class Trained:
    """A challenger that was fitted and stored, but not judged yet."""

    run_id: str
    digest: str


class Loop:
    """One model's loop.

    Args:
        model: The model's name.
        settings: This installation's settings.
    """

    def __init__(self, model: str, settings: Settings | None = None) -> None:
        self.settings = settings or get_settings()
        self.definition: ModelDefinition = find_definition(self.settings.models_path, model)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings)

    @cached_property
    def registry(self) -> Registry:
        from nightshift.registry.store import Registry

        return Registry(self.settings, self.definition.name)

    # ---- landing files → staging → audit → publish

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
            source, day = self.definition.sources[name], date.fromisoformat(text)
            file = landing_file(self.settings.landing_uri, name, source, day)
            if is_available(schedule, source, day, night) and missing_files([file]):
                write_bytes(file.uri, content)
                count += 1
        return count

    def missing(self, night: date) -> list[LandingFile]:
        """The files a night needs that have not landed."""
        return missing_files(needed_files(self.definition, self.settings.landing_uri, night))

    def ingest(self, night: date) -> list[str]:
        """Stages the files a night needs, and those that landed anew, corrected, since they were published."""
        files = needed_files(self.definition, self.settings.landing_uri, night)
        files += [
            file for file in restated_files(self.definition, self.settings.landing_uri, night) if self._changed(file)
        ]
        return [self._stage_files(file.source, [file], file.day, file.day) for file in files]

    def ingest_history(self, first: date, last: date) -> list[str]:
        """Stages every landed file dated from `first` to `last`."""
        locations: list[str] = []
        for name, source in self.definition.sources.items():
            days = [day for day in landed_dates(self.settings.landing_uri, source) if first <= day <= last]
            files = [landing_file(self.settings.landing_uri, name, source, day) for day in days]
            if files:
                locations.append(self._stage_files(name, files, days[0], days[-1]))
        return locations

    def audit(self, locations: Sequence[str], night: date, run_id: str) -> str:
        """Checks staged sets and keeps every verdict.

        Returns:
            The verdicts as sentences.

        Raises:
            DataError: If a check failed: nothing may be published.
        """
        from nightshift.quality.audit import audit

        # Tiles are not for readers: the features made of them are checked, and `nightshift skew` checks those.
        staged = [one for one in map(load_staged, locations) if not one.table.startswith("tiles.")]
        verdicts = [audit(self._contract(one), read_staged(one, self._spec(one.table))) for one in staged]
        # Two sets of one table are a night's own and a restated one: the date tells them apart.
        tables = Counter(one.table for one in staged)
        verdicts = [
            replace(verdict, table=f"{one.table} of {one.first}") if tables[one.table] > 1 else verdict
            for one, verdict in zip(staged, verdicts, strict=True)
        ]
        layer = verdicts[0].table.split(".")[0]
        self.record(f"quality.{layer}", night, [m for verdict in verdicts for m in verdict.measurements()], run_id)
        failed = [(one, verdict) for one, verdict in zip(staged, verdicts, strict=True) if verdict.outcome == "fail"]
        if failed:
            files = [name for one, _ in failed for name in one.inputs if "://" in name]
            raise DataError(
                "; ".join(verdict.summary() for _, verdict in failed),
                where=", ".join(files[:3]) or None,
                fix="nothing was published; mend the data and clear the run",
            )
        return "; ".join(verdict.summary() for verdict in verdicts)

    def publish(self, locations: Sequence[str]) -> dict[str, int]:
        """Makes staged sets visible, each by one commit.

        Returns:
            Each table's snapshot.
        """
        staged = [load_staged(location) for location in locations]
        return {one.table: publish(self.lake, self._spec(one.table), one) for one in staged}

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

    # ---- monitoring

    def measure_drift(self, night: date, run_id: str) -> Measurement:
        """Measures a night's drift against the reference of the version that scored it."""
        from nightshift.monitoring.drift import measure_drift

        rows = self._scored(night)
        version = self._version_of(night)
        learned = self.registry.reference(version)
        bounds = self.definition.monitoring.drift
        watched = bounds.features or tuple(self.definition.feature_types)
        # A version trained before a feature was declared has no reference for it.
        reference = {name: learned[name] for name in watched if name in learned}
        measured = measure_drift(reference, rows, bounds.psi, bounds.share, version.number)
        self.record("drift", night, measured, run_id)
        return measured[-1]

    def measure_outcomes(self, night: date, run_id: str) -> list[date]:
        """Measures every scored night whose labels have become final by a night's cutoff.

        Nights that were not measured yet, and the newest few again, so that late outcomes count.
        """
        from nightshift.monitoring.outcomes import measure_outcomes

        newest = newest_labelled(self.definition, night)
        restated = self.definition.sources[self.definition.label.source].restates or RESTATED
        measured = {
            row["score_date"] for row in self.monitored(newest - LOOKBACK, newest) if row["monitor"] == "outcome"
        }
        scored = [
            day
            for day in published_dates(self.lake, scores_table(self.definition))
            if newest - LOOKBACK <= day <= newest and (day not in measured or day > newest - restated)
        ]
        labelled = set(published_dates(self.lake, raw_table(self.definition, self.definition.label.source)))
        done = []
        for day in sorted(set(scored) & labelled):
            rows = read_dates(self.lake, scores_table(self.definition), day, day)
            labels = read_labels(self.lake, self.definition, day, day)
            known = join_labels(rows, labels, self.definition.observations.key)
            version = int(rows["model_version"][0].as_py())
            self.record("outcome", day, measure_outcomes(known, rows.num_rows, version), run_id)
            done.append(day)
        return done

    def decide(self, night: date, run_id: str) -> Decision:
        """Decides whether a night asks for a retrain, and keeps the decision."""
        from nightshift.monitoring.decide import NightDrift, decide

        policy = self.definition.monitoring.retrain
        kept = self.monitored(night - max(LOOKBACK, policy.cooldown), night)
        drift = [
            NightDrift(row["score_date"], row["verdict"] != "pass", row["model_version"], row["value"])
            for row in kept
            if row["monitor"] == "drift" and row["statistic"] == "drifted_share"
        ]
        tonight = next((one for one in drift if one.night == night), None)
        if tonight is None:
            raise NotYetAvailable(f"drift of {night} is not measured yet", where=monitoring_table(self.definition).name)
        asked = [row["score_date"] for row in kept if row["monitor"] == "decision" and row["verdict"] == "request"]
        decision = decide(policy, tonight, drift, asked)
        row = Measurement(
            "night", "retrain", tonight.share, None, None, decision.action, decision.reason, tonight.version
        )
        self.record("decision", night, [row], run_id)
        return decision

    def record(self, monitor: str, night: date, measured: Sequence[Measurement], run_id: str) -> None:
        """Keeps monitored values; those of the same monitor and night are replaced."""
        spec = monitoring_table(self.definition)
        rows = [{"monitor": monitor, "score_date": night, "run_id": run_id, **vars(one)} for one in measured]
        data = pa.Table.from_pylist(rows, schema=pa.schema([spec.schema.field(name) for name in spec.columns]))
        staged = stage_arrow(self.lake, spec, data, night, night, {}, {"monitor": monitor})
        publish(self.lake, spec, staged)

    def monitored(self, first: date, last: date) -> list[dict[str, Any]]:
        """Everything monitored from `first` to `last`; nothing if nothing was yet."""
        spec = monitoring_table(self.definition)
        if not self.lake.has(spec.name):
            return []
        return list(read_dates(self.lake, spec, first, last).to_pylist())

    # ---- training

    def train(self, as_of: date, reason: str, progress: Progress = print) -> Trained:
        """Fits a challenger on what was labelled by a date's cutoff, and stores it with its run."""
        from nightshift.monitoring.profile import reference_profile
        from nightshift.training.dataset import pin_snapshots, read_labelled, split_dates
        from nightshift.training.fit import fit

        dates, snapshots = split_dates(self.definition, as_of), pin_snapshots(self.lake, self.definition)
        rows = read_labelled(self.lake, self.definition, dates.first, dates.holdout - timedelta(days=1), snapshots)
        progress(f"training on {rows.num_rows} labelled rows from {dates.first} to before {dates.holdout}")
        reference = reference_profile(rows, {k: str(v) for k, v in self.definition.feature_types.items()})
        run_id = self.registry.start_run(str(as_of), reason, f"{self.definition.name} {as_of}")
        try:
            package = fit(self.definition, rows, reference)
            digest = self.registry.log_package(run_id, package)
            self.registry.log(
                run_id,
                params={
                    "estimator": self.definition.training.estimator.class_,
                    **self.definition.training.estimator.params,
                },
                metrics={"training_rows": rows.num_rows, "features": len(self.definition.feature_types)},
                tags={
                    "nightshift.trained_from": str(dates.first),
                    "nightshift.trained_before": str(dates.holdout),
                    "nightshift.definition": definition_hash(self.definition),
                    **{f"nightshift.snapshot.{name}": str(snapshot) for name, snapshot in snapshots.items()},
                },
            )
        except BaseException:
            self.registry.end_run(run_id, failed=True)
            raise
        self.registry.end_run(run_id)
        return Trained(run_id, digest)

    def gate(self, trained: Trained, as_of: date, run_id: str) -> GateReport:
        """Judges a challenger against the gate's rules and the champion on the same holdout rows."""
        from nightshift.training.dataset import read_labelled, split_dates
        from nightshift.training.gate import judge, metrics

        dates = split_dates(self.definition, as_of)
        tags = self.registry.run_tags(trained.run_id)
        prefix = "nightshift.snapshot."
        snapshots = {key.removeprefix(prefix): int(value) for key, value in tags.items() if key.startswith(prefix)}
        holdout = read_labelled(self.lake, self.definition, dates.holdout, dates.last, snapshots)
        labels = holdout["label"].to_numpy()
        challenger = self.registry.package(trained.run_id, trained.digest)
        champion = self.registry.champion()
        # A task that is run again after it promoted: a model is never compared with itself.
        if champion is not None and champion.run_id == trained.run_id:
            champion = None
        scores = challenger.score(holdout)
        baseline, against = None, "no champion to compare with"
        if champion is not None:
            package = self.registry.package(champion.run_id, champion.digest)
            if gone := package.encoder.missing(holdout):
                against = f"version {champion.number} cannot score without the feature {gone[0]}"
            else:
                baseline, against = package.score(holdout), f"against version {champion.number}"
        report = judge(self.definition.gate, labels, scores, baseline)
        verdict = "passed" if report.passed else "refused"
        rows = [
            Measurement("gate", r.rule, r.value, r.bound, report.rows, "pass" if r.passed else "fail", r.sentence)
            for r in report.results
        ]
        rows.append(Measurement("gate", "verdict", None, None, report.rows, verdict, f"{against}: {report.summary()}"))
        self.record("gate", as_of, rows, run_id)
        found = {f"holdout_{name}": value for name, value in metrics(labels, scores).items()}
        self.registry.log(
            trained.run_id,
            params={},
            metrics=found | {"holdout_rows": report.rows},
            tags={"nightshift.gate": verdict, "nightshift.gate.summary": report.summary()},
        )
        return report

    def promote(self, trained: Trained, note: str) -> Version:
        """Registers a challenger that passed the gate and makes it the champion."""
        if self.registry.run_tags(trained.run_id).get("nightshift.gate") != "passed":
            raise TerminalError("only a model that passed the gate can be promoted", where=trained.run_id)
        return self.registry.promote(trained.run_id, note)

    # ---- inside

    @cached_property
    def _replay(self) -> Replay:
        return load_replay(self.definition)

    def _audit_and_publish(self, staged: list[str], night: date, run_id: str, progress: Progress) -> None:
        progress(self.audit(staged, night, run_id))
        self.publish(staged)

    def _stage_files(self, name: str, files: list[LandingFile], first: date, last: date) -> str:
        spec, source = raw_table(self.definition, name), self.definition.sources[name]
        zone = source.timezone or self.definition.schedule.timezone
        read = [read_landed(file, source, spec, zone) for file in files]
        inputs = {file.uri: digest for file, (_, digest) in zip(files, read, strict=True)}
        rows = pa.concat_tables([table for table, _ in read])
        return stage_arrow(self.lake, spec, rows, first, last, inputs).location

    def _changed(self, file: LandingFile) -> bool:
        """Whether a landed file is another one than was published for its date."""
        spec = raw_table(self.definition, file.source)
        try:
            published = inputs_of(self.lake, spec, file.day)
        except NotYetAvailable:
            return True  # it comes late
        return published.get(file.uri) != digest_of(file.uri)

    def _spec(self, table: str) -> TableSpec:
        layer, name = table.split(".", 1)
        match layer:
            case "raw":
                return raw_table(self.definition, name)
            case "tiles":
                return tiles_table(self.definition, name)
            case "features":
                return features_table(self.definition)
            case _:
                return scores_table(self.definition)

    def _contract(self, staged: Staged) -> Contract:
        from nightshift.quality.contract import features_contract, scores_contract, source_contract

        layer, name = staged.table.split(".", 1)
        if layer == "raw":
            source = self.definition.sources[name]
            days = (staged.last - staged.first).days + 1 if source.cadence == "daily" else 1
            return source_contract(name, source, days=days)
        observed = raw_table(self.definition, self.definition.observations.source)
        counts = published_dates(self.lake, observed)
        observations = sum(rows for day, rows in counts.items() if staged.first <= day <= staged.last)
        made = features_contract if layer == "features" else scores_contract
        return made(self.definition, observations)

    def _scored(self, night: date) -> pa.Table:
        """A published night's features, at the snapshot they were scored from."""
        scores = read_dates(self.lake, scores_table(self.definition), night, night, columns=("features_snapshot",))
        if scores.num_rows == 0:
            raise NotYetAvailable(f"{night} has no published scores", where=scores_table(self.definition).name)
        snapshot = int(scores["features_snapshot"][0].as_py())
        return read_dates(self.lake, features_table(self.definition), night, night, snapshot=snapshot)

    def _version_of(self, night: date) -> Version:
        rows = read_dates(self.lake, scores_table(self.definition), night, night, columns=("model_version",))
        return self.registry.version(int(rows["model_version"][0].as_py()))
