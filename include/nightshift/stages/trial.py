"""A training that leaves nothing behind: what it would learn, and how the gate would judge it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from nightshift.definition.metrics import Metric
from nightshift.project import Progress, Project
from nightshift.registry.package import package_digest
from nightshift.stages.gate import Candidate, CandidateJudgement, judge_candidate
from nightshift.stages.train import fit_model, lineage_of, training_inputs
from nightshift.training.bootstrap import metrics
from nightshift.training.lineage import Lineage
from nightshift.training.results import Holdout

REASON = "a trial, which is not stored"


@dataclass(frozen=True)
class ComparedMetric:
    """A metric on the holdout.

    Attributes:
        metric: Its name.
        model: Its value for the model.
        constant: For the constant that fits the training period best.
        champion: For the champion; None if there is none, it cannot score the holdout, or it learned other classes.
    """

    metric: Metric
    model: float
    constant: float
    champion: float | None


@dataclass(frozen=True)
class TrialTraining:
    """A training and its gate, of which nothing is stored.

    Attributes:
        lineage: What the model was made from.
        judgement: The gate's verdict.
    """

    lineage: Lineage
    judgement: CandidateJudgement

    def metrics(self) -> list[ComparedMetric]:
        """Every metric on the holdout; none if the holdout or the scores are unfit for any."""
        holdout, values = self.judgement.holdout, self.judgement.report.metrics
        names = [name for name in holdout.prediction.metrics.names if name in values]
        champion = {}
        if holdout.champion is not None and holdout.shared == holdout.classes:
            champion = metrics(holdout.labels, holdout.champion, names)
        return [ComparedMetric(name, values[name], _of_constant(holdout, name), champion.get(name)) for name in names]


def try_training(project: Project, as_of: date, progress: Progress) -> TrialTraining:
    """Trains and judges as a training of that date would; the registry, MLflow and all tables stay as they are.

    Raises:
        NotYetAvailable: If nothing is published to learn from.
        TerminalError: If there are too few labelled rows.
    """
    definition, inputs = project.definition, training_inputs(project, as_of)
    fitted = fit_model(project, definition, inputs.dates, inputs.snapshots, progress)
    lineage = lineage_of(project, definition, inputs.dates, inputs.snapshots, str(as_of), REASON, fitted)
    progress("judging it on the holdout")
    files = fitted.package.dump()
    candidate = Candidate(files, package_digest(files), lineage)
    return TrialTraining(lineage, judge_candidate(project, candidate, as_of, progress))


def _of_constant(holdout: Holdout, metric: Metric) -> float:
    constant = holdout.baseline.scores(metric, len(holdout.labels))
    return metrics(holdout.labels, constant, [metric])[metric]
