"""Training a challenger, judging it, and making it the champion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from nightshift.definition.load import definition_hash
from nightshift.errors import TerminalError
from nightshift.loop.workspace import Progress, Workspace
from nightshift.registry.package import SCORES
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.registry.store import Version
    from nightshift.training.gate import GateReport


@dataclass(frozen=True)
class Trained:
    """A challenger that was fitted and stored, but not judged yet."""

    run_id: str
    digest: str


class Training(Workspace):
    """What a training does, stage by stage."""

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
            holdout = read_labelled(self.lake, self.definition, dates.holdout, dates.last, snapshots)
            scores = pa.table({SCORES: package.score(holdout)})
            package = replace(package, reference=reference | reference_profile(scores, {SCORES: "number"}))
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
        if not report.passed:
            self.champions.refuse(trained.run_id, report.summary(), run_id)
        return report

    def promote(self, trained: Trained, note: str, run_id: str = "by hand") -> Version:
        """Registers a challenger that passed the gate and makes it the champion, once."""
        if self.registry.run_tags(trained.run_id).get("nightshift.gate") != "passed":
            raise TerminalError("only a model that passed the gate can be promoted", where=trained.run_id)
        return self.champions.promote(trained.run_id, note, run_id)
