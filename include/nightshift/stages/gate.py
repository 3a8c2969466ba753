"""The gate: a stored model is judged by the rules and against the champion, on the same holdout rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from nightshift.compute.job import Job, run_job
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import mismatch
from nightshift.definition.recipe import label_digest, recipe_change
from nightshift.errors import TerminalError
from nightshift.features.recorded_recipes import LearnedRecipes, learned_recipes, table_of_version
from nightshift.lake.staging import load_staged, new_attempt, read_staged
from nightshift.lake.tables import features_table
from nightshift.lake.tags import untag_snapshots
from nightshift.monitoring.outcomes import unmatched_labels
from nightshift.project import Progress, Project
from nightshift.registry.absent import no_champion
from nightshift.registry.classes import LabelClasses, settle_classes
from nightshift.registry.package import ModelPackage, load_package
from nightshift.registry.store import DIGEST, GATE, GATE_SUMMARY, Version
from nightshift.stages.train import StoredModel, snapshot_tag
from nightshift.training.bootstrap import Vector
from nightshift.training.dataset import read_labelled
from nightshift.training.gate import judge
from nightshift.training.lineage import Lineage
from nightshift.training.report import render_gate
from nightshift.training.results import GateReport, Holdout
from nightshift.training.smoke import smoke_test
from nightshift.training.unmet import unmet_features, unmet_rows
from nightshift.types import Measurement

_ORDER = "_order"  # a column beside the rows, so that they keep their order

NO_COMPARISON = "no champion to compare with"
_LEARNED_HOLDOUT = ", which has learned from a part of the holdout"
GATE_PAGE = "gate.html"  # among the run's artifacts, beside the model


@dataclass(frozen=True)
class GateResult:
    """The gate's verdict.

    Attributes:
        report: The result of every rule.
        page: The address of the report's page in the MLflow UI.
    """

    report: GateReport
    page: str


@dataclass(frozen=True)
class Candidate:
    """A model to judge.

    Attributes:
        files: The files of its package.
        digest: Their digest.
        lineage: What it was made from.
        run_id: The run that stored it; empty if none did.
    """

    files: dict[str, bytes]
    digest: str
    lineage: Lineage
    run_id: str = ""


@dataclass(frozen=True)
class CandidateJudgement:
    """The gate's verdict of a candidate, before anything is recorded.

    Attributes:
        report: The result of every rule.
        holdout: What it was judged on.
        page: The report's page, as HTML.
        against: Which champion it was compared with, or why there was none.
    """

    report: GateReport
    holdout: Holdout
    page: str
    against: str


def gate(project: Project, stored: StoredModel, as_of: date, run_id: str, progress: Progress = print) -> GateResult:
    """Judges a stored model, records every rule's result, and writes the report's page.

    Args:
        project: The model.
        stored: What the training stored.
        as_of: The date that the training is as of.
        run_id: The run that asks.
        progress: Takes a line of progress.
    """
    definition, registry = project.definition, project.registry
    registry.require_active(stored.run_id)
    lineage = Lineage(**registry.lineage(stored.run_id)[0])
    candidate = Candidate(registry.package_files(stored.run_id, stored.digest), stored.digest, lineage, stored.run_id)
    judgement = judge_candidate(project, candidate, as_of, progress)
    report = judgement.report
    if not report.passed:
        untag_snapshots(project.lake, lineage.snapshots, snapshot_tag(definition.name, stored.run_id))
    measurements = [*_measurements(report, judgement.against), *_label_measurements(definition, lineage)]
    project.record("gate", as_of, measurements, run_id)
    registry.client.log_text(stored.run_id, judgement.page, GATE_PAGE)
    registry.log(
        stored.run_id,
        params={},
        metrics={f"holdout_{name}": value for name, value in report.metrics.items()} | {"holdout_rows": report.rows},
        tags={GATE: _verdict(report), GATE_SUMMARY: report.summary()},
    )
    if not report.passed:
        project.champions.record_refusal(stored.run_id, report.summary(), run_id)
    return GateResult(report, registry.artifact_url(stored.run_id, GATE_PAGE))


def judge_candidate(project: Project, candidate: Candidate, as_of: date, progress: Progress) -> CandidateJudgement:
    """Judges a model by every rule and against the champion; nothing is recorded.

    Args:
        project: The model.
        candidate: What is judged.
        as_of: The date that the training is as of.
        progress: Takes a line of progress.
    """
    definition, rules, lineage = project.definition, project.definition.gate, candidate.lineage
    days = date.fromisoformat(lineage.holdout), date.fromisoformat(lineage.last)
    package = load_package(candidate.files, candidate.digest, project.settings.tree_sums)
    most = definition.training.max_holdout_rows
    labelled = read_labelled(project.lake, definition, *days, lineage.snapshots, most)
    rows = settle_classes(labelled, package.classes)
    scores = package.score(rows)
    champion = _champion_scores(project, candidate.run_id, rows, days, progress)
    against = champion.against + _compared_classes(package.classes, champion.classes)
    columns = rules.slices.columns if rules.slices else ()
    holdout = Holdout.of(
        rows,
        scores,
        champion.scores,
        lineage.baseline,
        columns,
        prediction=definition.prediction,
        classes=package.classes,
        champion_classes=champion.classes,
    )
    unmet = unmet_rows(rows, unmet_features(definition, package))
    features, tree_sums = rows.drop_columns("label"), project.settings.tree_sums
    smoke = smoke_test(candidate.files, candidate.digest, features, scores, unmet, tree_sums)
    report = judge(rules, holdout, smoke, definition.training.seed)
    title = f"{definition.name}: the gate of {as_of}"
    page = render_gate(title, rules, holdout, report, against, lineage.without, threshold=package.threshold)
    return CandidateJudgement(report, holdout, page, against)


def _measurements(report: GateReport, against: str) -> list[Measurement]:
    measurements = [Measurement("gate", r.rule, r.value, r.bound, r.rows, r.verdict, r.detail) for r in report.results]
    summary = f"{against}: {report.summary()}"
    return [*measurements, Measurement("gate", "verdict", None, None, report.rows, _verdict(report), summary)]


def _label_measurements(definition: ModelDefinition, lineage: Lineage) -> list[Measurement]:
    """What the training's rows leave out: observations without a label, and labels without an observation."""
    unmatched = unmatched_labels("training", definition, lineage.unmatched, lineage.labelled + lineage.unmatched)
    observations = lineage.labelled + lineage.unlabelled
    return [Measurement("training", "unlabelled_observations", lineage.unlabelled, None, observations), unmatched]


def _verdict(report: GateReport) -> str:
    return "passed" if report.passed else "refused"


def _compared_classes(classes: LabelClasses | None, champion: LabelClasses | None) -> str:
    """On which classes two versions are compared, as the end of a sentence; empty if they have the same."""
    if classes is None or champion is None:
        return ""
    shared = classes.shared_with(champion)
    if len(shared) < 2:
        return ", which learned other classes: they cannot be compared"
    alike = len(shared) == len(champion.names) == len(classes.names)
    return "" if alike else f", on the classes that both have learned: {', '.join(shared)}"


@dataclass(frozen=True)
class ChampionScores:
    """The champion's scores of the holdout.

    Attributes:
        scores: The scores; None if there are none.
        against: Which version it is, or why there are none.
        classes: The classes of the version; None if it predicts a condition or a number.
    """

    scores: Vector | None
    against: str
    classes: LabelClasses | None = None


def _champion_scores(
    project: Project, run_id: str, rows: pa.Table, days: tuple[date, date], progress: Progress
) -> ChampionScores:
    """The champion's scores of the same rows."""
    if not project.settings.has_registry:
        return ChampionScores(None, NO_COMPARISON)
    champion = project.registry.champion()
    # A task that is run again after it promoted: a model is never compared with itself.
    if champion is None:
        error = no_champion(project.definition.name, project.champions.events(), project.registry.versions())
        return ChampionScores(None, error.problem if isinstance(error, TerminalError) else NO_COMPARISON)
    if run_id and run_id in (champion.run_id, champion.refit_of):
        return ChampionScores(None, NO_COMPARISON)
    has_learned = champion.has_learned(days[0])
    package, learned = _load_champion(project, champion, as_judged=has_learned)
    prediction = project.definition.prediction
    if package.prediction != prediction:
        return ChampionScores(None, mismatch(f"version {champion.number}", package.prediction, prediction))
    against = f"against version {champion.number}"
    if has_learned:
        against += ", as it was before it learned from the holdout" if champion.refit_of else _LEARNED_HOLDOUT
    if learned.label != label_digest(project.definition):
        against += ", which learned another definition of the label"
    if change := recipe_change(learned.features, project.definition.feature_digests):
        against += f", which learned {change}"
    try:
        if change:
            progress(f"version {champion.number} learned {change}: computing the holdout's features as it learned them")
            rows = _as_learned(project, champion, rows, days, progress)
        return ChampionScores(package.score(rows), against, package.classes)
    except TerminalError as error:  # it could not score such a night either, and must not stop its successor
        return ChampionScores(None, f"version {champion.number} cannot score the holdout: {error.problem}")


def _load_champion(project: Project, champion: Version, *, as_judged: bool) -> tuple[ModelPackage, LearnedRecipes]:
    """The champion's package and what it learned.

    Args:
        project: The model.
        champion: The champion.
        as_judged: Whether its package is the one that its own gate judged, if it was fitted again afterwards.

    Raises:
        TerminalError: If they cannot be read: no successor passes unseen because a store does not answer.
    """
    registry = project.registry
    try:
        if as_judged and champion.refit_of:
            package = registry.package(champion.refit_of, registry.run_tags(champion.refit_of)[DIGEST])
        else:
            package = registry.package(champion.run_id, champion.digest)
        return package, learned_recipes(project.registry, champion, package.encoder.types)
    except TerminalError as error:
        model, number = project.definition.name, champion.number
        raise TerminalError(
            f"version {number}, the champion, cannot be compared with: {error.problem}",
            where=error.where,
            fix=f"restore the artifact store and clear this task; if it is lost, nightshift rollback {model}, or "
            f"nightshift retire {model} --champion {number}, and clear this task: it then judges without a comparison",
        ) from None


def _as_learned(
    project: Project, version: Version, rows: pa.Table, days: tuple[date, date], progress: Progress
) -> pa.Table:
    """The features of the same observations, in their order, as a version's own definition computes them.

    Raises:
        TerminalError: If they can no longer be computed.
    """
    first, last = map(str, days)
    arguments = ("--model", project.definition.name, "--from", first, "--to", last, "--version", str(version.number))
    job = Job("features", (*arguments, "--attempt", f"gate-{new_attempt(*days)}"), many_nights=True)
    [location] = run_job(project.settings, job, progress).staged
    spec = table_of_version(project.registry, version)
    computed = read_staged(load_staged(location), spec)
    key = list(features_table(project.definition).key)
    order = rows.select(key).append_column(_ORDER, pa.array(range(rows.num_rows)))
    aligned = order.join(computed, key, join_type="inner").sort_by(_ORDER)
    if aligned.num_rows != rows.num_rows:
        raise TerminalError(
            f"{rows.num_rows - aligned.num_rows} observations of the holdout have changed since",
            where=spec.name,
            fix="train again",
        )
    return aligned.drop_columns(_ORDER)
