"""The gate: the rules that decide whether a challenger may make the published scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from nightshift.definition.model import LARGER_IS_BETTER, Gate
from nightshift.errors import TerminalError

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RuleResult:
    """One rule of the gate: what was measured, the bound, and whether it holds."""

    rule: str
    value: float
    bound: float
    passed: bool
    sentence: str


@dataclass(frozen=True)
class GateReport:
    """Every rule's result on the holdout."""

    results: tuple[RuleResult, ...]
    rows: int

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    def summary(self) -> str:
        """Why the gate opened or stayed shut, as a sentence."""
        shown = self.results if self.passed else tuple(r for r in self.results if not r.passed)
        return "; ".join(result.sentence for result in shown)


def metrics(labels: Vector, scores: Vector) -> dict[str, float]:
    """Every metric a gate can name."""
    return {
        "roc_auc": float(roc_auc_score(labels, scores)),
        "average_precision": float(average_precision_score(labels, scores)),
        "brier": float(brier_score_loss(labels, scores)),
        "log_loss": float(log_loss(labels, scores)),
    }


def judge(gate: Gate, labels: Vector, challenger: Vector, champion: Vector | None) -> GateReport:
    """Holds a challenger's scores of the holdout against every rule.

    Args:
        gate: The rules.
        labels: The outcomes of the holdout, shape (rows,).
        challenger: The challenger's scores of the same rows.
        champion: The champion's scores of the same rows; None while there is no champion.

    Raises:
        TerminalError: If the gate has no rule that applies: it would pass anything.
    """
    found = metrics(labels, challenger)
    results = [_minimum(metric, found[metric], bound) for metric, bound in gate.minimum.items()]
    if gate.against_champion is not None and champion is not None:
        rule = gate.against_champion
        results.append(
            _not_worse(rule.metric, found[rule.metric], metrics(labels, champion)[rule.metric], rule.tolerance)
        )
    if not results:
        raise TerminalError(
            "no rule of the gate applies to a first model, and a gate without rules would pass anything",
            where="gate",
            fix="add `minimum:`",
        )
    return GateReport(tuple(results), len(labels))


def _minimum(metric: str, value: float, bound: float) -> RuleResult:
    passed = value >= bound if metric in LARGER_IS_BETTER else value <= bound
    sign = "≥" if metric in LARGER_IS_BETTER else "≤"
    return RuleResult(f"minimum.{metric}", value, bound, passed, f"{metric} {value:.3f}, bound {sign} {bound:.3f}")


def _not_worse(metric: str, challenger: float, champion: float, tolerance: float) -> RuleResult:
    gain = challenger - champion if metric in LARGER_IS_BETTER else champion - challenger
    sentence = f"{metric} {challenger:.3f} against the champion's {champion:.3f}, tolerance {tolerance:.3f}"
    return RuleResult(f"against_champion.{metric}", gain, -tolerance, gain >= -tolerance, sentence)
