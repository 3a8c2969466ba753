"""Rules for the promotion policy that a definition declares: one function each."""

from __future__ import annotations

from collections.abc import Iterator

from nightshift.definition.gate_rules import check_comparison, check_slices
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import is_scored_column
from nightshift.definition.problem import Problem

SHADOW = ("promotion", "shadow")


def one_policy(definition: ModelDefinition) -> Iterator[Problem]:
    if definition.promotion.approval and definition.promotion.shadow:
        message, allowed = "two policies", "one of approval, shadow"
        yield Problem(("promotion",), message, "approval and shadow", allowed, "remove one")


def comparison_is_complete(definition: ModelDefinition) -> Iterator[Problem]:
    if shadow := definition.promotion.shadow:
        yield from check_comparison(definition, shadow, SHADOW)
        yield from check_slices(definition, shadow.slices, (*SHADOW, "slices"))
        for position, column in enumerate(shadow.slices.columns if shadow.slices else ()):
            if is_scored_column(column):  # slices are joined to the scores of the nights
                path = (*SHADOW, "slices", "columns", position)
                yield Problem(path, "is a column of every scored table", column, None, "give the feature another name")


def nights_suffice(definition: ModelDefinition) -> Iterator[Problem]:
    shadow = definition.promotion.shadow
    if shadow and shadow.nights < shadow.gate.min_days:
        message = f"too few to be {shadow.gate.confidence_text} of a comparison: whole nights are resampled"
        allowed, fix = f"at least {shadow.gate.min_days}", "wait for more nights, or lower the confidence"
        yield Problem((*SHADOW, "nights"), message, shadow.nights, allowed, fix)
    if shadow and shadow.within <= shadow.nights:
        message, allowed = "too few: the outcomes of the last night are not final yet", f"more than {shadow.nights}"
        yield Problem((*SHADOW, "within"), message, shadow.within, allowed, "raise it")


RULES = (one_policy, comparison_is_complete, nights_suffice)
