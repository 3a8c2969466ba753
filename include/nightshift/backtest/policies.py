"""The policies that a backtest compares: calendars without a gate, the declared policy, and files that change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import Field

from nightshift.definition.base import StrictModel
from nightshift.definition.cron import named_dates
from nightshift.definition.gate import Gate
from nightshift.definition.load import load_part
from nightshift.definition.model import ModelDefinition
from nightshift.definition.monitoring import Monitoring
from nightshift.definition.problem import Problem
from nightshift.definition.promotion import DeclaredPromotion, Promotion
from nightshift.definition.retrain import Retrain
from nightshift.definition.rules import RULES
from nightshift.definition.training import Training
from nightshift.definition.value import DeclaredDecision
from nightshift.errors import TerminalError

DECLARED = "declared"
CALENDARS: Mapping[str, str | None] = {
    "never": None,
    "monthly": "0 0 1 * *",
    "weekly": "0 0 * * 1",
    "nightly": "0 0 * * *",
}


class PolicyValue(StrictModel):
    """The part of `monitoring.value` that a policy may declare: what decisions are worth is the same for all."""

    decision: DeclaredDecision = Field(description="As in a definition.")


class PolicyMonitoring(StrictModel):
    """The parts of `monitoring` that a policy may declare."""

    retrain: Retrain | None = Field(None, description="As in a definition.")
    value: PolicyValue | None = Field(None, description="`decision`, as in a definition, which has to declare a value.")

    def apply(self, monitoring: Monitoring) -> Monitoring:
        """What a definition declares with these parts in place of its own."""
        retrain = self.retrain or monitoring.retrain
        value = monitoring.value and monitoring.value.model_copy(update=dict(self.value or ()))
        return monitoring.model_copy(update={"retrain": retrain, "value": value})


class PolicyParts(StrictModel):
    """The parts of a definition that a policy declares in place of the model's own."""

    training: Training | None = Field(None, description="As in a definition.")
    gate: Gate | None = Field(None, description="As in a definition.")
    promotion: DeclaredPromotion = Field(Promotion(), description="As in a definition.")
    monitoring: PolicyMonitoring | None = Field(None, description="`retrain` and `value.decision`, as in a definition.")

    def apply(self, definition: ModelDefinition) -> ModelDefinition:
        """A definition with these parts in place of its own."""
        parts: dict[str, Any] = {
            name: getattr(self, name) for name in ("training", "gate", "promotion") if name in self.model_fields_set
        }
        if self.monitoring is not None:
            parts["monitoring"] = self.monitoring.apply(definition.monitoring)
        return definition.model_copy(update=parts)


@dataclass(frozen=True)
class Policy:
    """A policy of retraining.

    Attributes:
        name: Its name.
        definition: The model's definition, with the parts that the policy declares.
        cron: When a training is due without a request; None for never.
        is_gated: Whether nights request trainings and the gate judges them. Otherwise each new model replaces the one
            before, unseen.
    """

    name: str
    definition: ModelDefinition
    cron: str | None
    is_gated: bool

    def due_dates(self, first: date, last: date) -> list[date]:
        """The dates from `first` to `last` on which a training is due without a request."""
        return list(named_dates(self.cron, first, last)) if self.cron else []


def read_policies(names: str, definition: ModelDefinition) -> list[Policy]:
    """The policies that a user names.

    Args:
        names: Names of policies and files of YAML, separated by commas.
        definition: The model's definition.

    Raises:
        TerminalError: If one is neither, or is named twice.
        DefinitionError: If a file is not what a definition may declare.
    """
    policies = [_read_policy(name.strip(), definition) for name in names.split(",")]
    unique = list(dict.fromkeys(policy.name for policy in policies))
    if len(unique) < len(policies):
        raise TerminalError(
            "a policy is named twice", where="--policies", received=names, allowed=unique, fix="name each once"
        )
    return policies


def _read_policy(name: str, definition: ModelDefinition) -> Policy:
    if name in CALENDARS:
        return Policy(name, definition, CALENDARS[name], is_gated=False)
    if name == DECLARED:
        return Policy(name, definition, definition.training.cadence, is_gated=True)
    file = Path(name)
    if file.suffix not in {".yaml", ".yml"} or not file.is_file():
        raise TerminalError(
            "unknown policy",
            where="--policies",
            received=name,
            allowed=[*CALENDARS, DECLARED, "a file of YAML that is there"],
            fix="write one of these; a file has parts of a model.yaml: training, gate, promotion, monitoring.retrain, "
            "monitoring.value.decision",
        )

    def problems(parts: PolicyParts) -> Iterator[Problem]:
        replaced = parts.apply(definition)
        if parts.monitoring and parts.monitoring.value and definition.monitoring.value is None:
            path, fix = ("monitoring", "value"), "declare `monitoring.value` in model.yaml"
            yield Problem(path, "the model declares no value of decisions", None, None, fix)
        yield from (problem for rule in RULES for problem in rule(replaced))

    replaced = load_part(file, PolicyParts, problems).apply(definition)
    return Policy(file.stem, replaced, replaced.training.cadence, is_gated=True)
