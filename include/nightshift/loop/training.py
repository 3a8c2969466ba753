"""Training a challenger, and judging it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from nightshift.definition.load import definition_files, definition_hash, write_definition
from nightshift.definition.model import ModelDefinition
from nightshift.lake.tags import tag_snapshots, untag_snapshots
from nightshift.loop.workspace import Progress, Workspace
from nightshift.registry.package import package_digest
from nightshift.registry.reference import SCORES
from nightshift.training.dataset import Split
from nightshift.types import Measurement

if TYPE_CHECKING:
    from nightshift.monitoring.expectation import Expectation
    from nightshift.registry.package import ModelPackage
    from nightshift.registry.store import Version
    from nightshift.training.bootstrap import Vector
    from nightshift.training.lineage import Lineage
    from nightshift.training.results import GateReport
    from nightshift.training.search import Trial

GATE_PAGE = "gate.html"  # among the run's artifacts, beside the model


@dataclass(frozen=True)
class Made:
    """A model, the rows it learned from, those it is judged on with its scores, and what was tried, the best first."""

    package: ModelPackage
    rows: pa.Table
    holdout: pa.Table
    scores: Vector
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """What making a version again came to.

    Attributes:
        version: The version.
        digest: The digest of what was made now.
        differences: What differs between then and now, as sentences; empty if the digest is the same.
    """

    version: Version
    digest: str
    differences: tuple[str, ...]

    @property
    def identical(self) -> bool:
        return self.digest == self.version.digest


@dataclass(frozen=True)
class Trained:
    """A challenger that was fitted and stored, but not judged yet."""

    run_id: str
    digest: str


class Training(Workspace):
    """What a training does, stage by stage."""

    def train(self, as_of: date, reason: str, progress: Progress = print) -> Trained:
        """Fits a challenger on what was labelled by a date's cutoff, and stores it with its run and its lineage."""
        from nightshift.training.dataset import pin_snapshots, split_dates
        from nightshift.training.importance import permutation_importance

        dates, snapshots = split_dates(self.definition, as_of), pin_snapshots(self.lake, self.definition)
        run_id = self.registry.start_run(str(as_of), reason, f"{self.definition.name} {as_of}")
        try:
            # Before anything is read: what is read must be there when the model is made again.
            tag_snapshots(self.lake, snapshots, _kept(self.definition.name, run_id))
            made = self._make(self.definition, dates, snapshots, progress)
            lineage = self._lineage(self.definition, dates, snapshots, str(as_of), reason, made)
            digest = self.registry.log_package(run_id, made.package)
            self.registry.log_lineage(run_id, lineage.to_json(), definition_files(self.definition))
            if (expectation := self._expectation(made)) is not None:
                self.registry.log_expectation(run_id, expectation.to_json())
            self.registry.log_trials(run_id, [(trial.params, trial.scores) for trial in made.trials])
            importances = permutation_importance(made.package, made.holdout, lineage.seed)
            self.registry.log(
                run_id,
                params={
                    "estimator": self.definition.estimator_name,
                    **self.definition.training.estimator.params,
                    **(made.trials[0].params if made.trials else {}),
                },
                metrics={"training_rows": lineage.rows, "features": len(self.definition.feature_types)}
                | {f"importance.{name}": value for name, value in importances.items()},
                tags={f"nightshift.{name}": value for name, value in lineage.tags().items()},
            )
        except BaseException:
            self.registry.end_run(run_id, failed=True)
            untag_snapshots(self.lake, snapshots, _kept(self.definition.name, run_id))
            raise
        self.registry.end_run(run_id)
        return Trained(run_id, digest)

    def reproduce(self, number: int, progress: Progress = print) -> Reproduction:
        """Makes a registered version again from its lineage: its definition as it was, its rows as they were.

        Raises:
            TerminalError: If there is no such version, it has no lineage, or what it was made from is gone.
        """
        from nightshift.training.lineage import Lineage

        version = self.registry.version(number)
        told, files = self.registry.lineage(version.run_id)
        then = Lineage(**told)
        dates = Split(*(date.fromisoformat(day) for day in (then.first, then.holdout, then.last)))
        with tempfile.TemporaryDirectory() as folder:
            definition = write_definition(Path(folder) / self.definition.name, files)
            made = self._make(definition, dates, then.snapshots, progress)
            now = self._lineage(definition, dates, then.snapshots, then.as_of, then.reason, made)
        digest = package_digest(made.package.dump())
        differences = tuple(then.differences(now)) if digest != version.digest else ()
        return Reproduction(version, digest, differences)

    def _make(
        self, definition: ModelDefinition, dates: Split, snapshots: Mapping[str, int], progress: Progress
    ) -> Made:
        """Makes a model of the rows at pinned snapshots: the same of the same."""
        from nightshift.monitoring.reference import make_reference, with_thresholds
        from nightshift.training.dataset import check_enough, read_labelled
        from nightshift.training.fit import fit
        from nightshift.training.search import search

        last, most = dates.holdout - timedelta(days=1), definition.training.max_rows
        rows = read_labelled(self.lake, definition, dates.first, last, snapshots, most)
        progress(f"training on {rows.num_rows} labelled rows from {dates.first} to before {dates.holdout}")
        check_enough(definition, rows.num_rows)
        trials = search(definition, rows, progress) if definition.training.search else []
        package = fit(definition, rows, trials[0].params if trials else {})
        for name in _without(definition, package):
            progress(f"the feature '{name}' has no value in any row that was learned from: the model does without it")
        holdout = read_labelled(self.lake, definition, dates.holdout, dates.last, snapshots)
        scores = package.score(holdout)
        scored = pa.table({SCORES: scores, "score_date": holdout["score_date"]})
        types = {name: str(kind) for name, kind in definition.feature_types.items()}
        watched = definition.monitoring.features or tuple(types)
        reference = with_thresholds(make_reference(rows, types, scored), watched, definition.monitoring.false_alarms)
        package = replace(package, reference=reference)
        return Made(package, rows, holdout, scores, tuple(trials))

    def _expectation(self, made: Made) -> Expectation | None:
        """What the holdout lets expect of nights that the model will score; None if it tells nothing."""
        from nightshift.monitoring.expectation import expect
        from nightshift.training.methods import METHODS

        known = np.isfinite(made.scores)
        scores, labels = made.scores[known], made.holdout["label"].to_numpy()[known]
        days = made.holdout["score_date"].cast(pa.int32()).to_numpy().astype("int64")[known]
        if len(np.unique(labels)) < 2:
            return None
        calibration = METHODS[self.definition.prediction].fit_score_calibration(scores, labels)
        return expect(labels, scores, days, self.metrics, calibration)

    def _lineage(
        self,
        definition: ModelDefinition,
        dates: Split,
        snapshots: Mapping[str, int],
        as_of: str,
        reason: str,
        made: Made,
    ) -> Lineage:
        from nightshift.training.lineage import Lineage, environment, rows_digest
        from nightshift.training.methods import METHODS

        rows = made.rows
        labels = METHODS[definition.prediction].summarize_labels(rows["label"].to_numpy())
        return Lineage(
            as_of=as_of,
            first=str(dates.first),
            holdout=str(dates.holdout),
            last=str(dates.last),
            reason=reason,
            definition=definition_hash(definition),
            snapshots=dict(snapshots),
            data=rows_digest(rows),
            rows=rows.num_rows,
            positives=labels.positives,
            mean=labels.mean,
            median=labels.median,
            without=_without(definition, made.package),
            seed=definition.training.seed,
            **environment(self.settings.home),
        )

    def gate(self, trained: Trained, as_of: date, run_id: str) -> GateReport:
        """Judges a challenger against the gate's rules and the champion on the same holdout rows."""
        from nightshift.registry.package import load_package
        from nightshift.training.dataset import read_labelled
        from nightshift.training.gate import judge
        from nightshift.training.lineage import Lineage
        from nightshift.training.report import render_gate
        from nightshift.training.results import Holdout
        from nightshift.training.smoke import try_stored

        gate = self.definition.gate
        made_from = Lineage(**self.registry.lineage(trained.run_id)[0])
        days = date.fromisoformat(made_from.holdout), date.fromisoformat(made_from.last)
        rows = read_labelled(self.lake, self.definition, *days, made_from.snapshots)
        files = self.registry.files(trained.run_id, trained.digest)
        scores = load_package(files, trained.digest).score(rows)
        champion, against = self._champion_scores(trained, rows)
        columns = gate.slices.columns if gate.slices else ()
        holdout = Holdout.of(rows, scores, champion, made_from.baseline, columns, prediction=self.definition.prediction)
        stored = try_stored(files, trained.digest, rows.drop_columns("label"), scores)
        report = judge(gate, holdout, stored, self.definition.training.seed)
        verdict = "passed" if report.passed else "refused"
        if not report.passed:
            untag_snapshots(self.lake, made_from.snapshots, _kept(self.definition.name, trained.run_id))
        measured = [Measurement("gate", r.rule, r.value, r.bound, r.n, r.verdict, r.detail) for r in report.results]
        told = f"{against}: {report.summary()}"
        measured.append(Measurement("gate", "verdict", None, None, report.rows, verdict, told))
        self.record("gate", as_of, measured, run_id)
        title = f"{self.definition.name}: the gate of {as_of}"
        page = render_gate(title, gate, holdout, report, against, made_from.without)
        self.registry.client.log_text(trained.run_id, page, GATE_PAGE)
        found = {f"holdout_{name}": value for name, value in report.metrics.items()}
        self.registry.log(
            trained.run_id,
            params={},
            metrics=found | {"holdout_rows": report.rows},
            tags={"nightshift.gate": verdict, "nightshift.gate.summary": report.summary()},
        )
        if not report.passed:
            self.champions.refuse(trained.run_id, report.summary(), run_id)
        return report

    def _champion_scores(self, trained: Trained, rows: pa.Table) -> tuple[Vector | None, str]:
        """The champion's scores of the same rows, and who it is; or why there are none."""
        champion = self.registry.champion()
        # A task that is run again after it promoted: a model is never compared with itself.
        if champion is None or champion.run_id == trained.run_id:
            return None, "no champion to compare with"
        package = self.registry.package(champion.run_id, champion.digest)
        if gone := package.encoder.missing(rows):
            return None, f"version {champion.number} cannot score without the feature {gone[0]}"
        if package.prediction != self.definition.prediction:
            label = self.definition.prediction.label
            return None, f"version {champion.number} predicts a {package.prediction.score}, but the label is a {label}"
        return package.score(rows), f"against version {champion.number}"


def _without(definition: ModelDefinition, package: ModelPackage) -> tuple[str, ...]:
    """The features that a model does not know, since they had no value in any row it learned from."""
    return tuple(name for name in definition.feature_types if name not in package.encoder.types)


def _kept(model: str, run_id: str) -> str:
    """The name under which the snapshots of a training are kept."""
    return f"nightshift.{model}.{run_id}"
