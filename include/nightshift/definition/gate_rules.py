"""Rules for the gate that a definition declares: one function each."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from nightshift.definition.calendar import fewest_nights
from nightshift.definition.gate import AgainstChampion, Gate, Slices
from nightshift.definition.metrics import LARGER_IS_BETTER
from nightshift.definition.model import ModelDefinition
from nightshift.definition.problem import KeyPath, Problem

TAIL_RESAMPLES = 10  # resamples that lie beyond the end of an interval: fewer would leave the end to chance


def gate_has_rules(definition: ModelDefinition) -> Iterator[Problem]:
    if not definition.gate.minimum and definition.gate.against_champion is None:
        message = "no rule: a gate without rules would pass anything"
        yield Problem(("gate",), message, None, "minimum, against_champion", "add a rule")


def first_model_is_judged(definition: ModelDefinition) -> Iterator[Problem]:
    gate = definition.gate
    if gate.against_champion and not gate.minimum and not gate.baseline:
        message = "no rule applies to a first model: there is no champion to compare it with"
        yield Problem(("gate",), message, None, "minimum, baseline", "add `minimum:`")


def minimum_can_be_met(definition: ModelDefinition) -> Iterator[Problem]:
    gate = definition.gate
    for metric, bound in gate.minimum.items():
        path = ("gate", "minimum", metric)
        if metric in LARGER_IS_BETTER and bound > 1:
            yield Problem(path, "can never be met", bound, f"{metric} is at most 1", "lower it")
        if metric not in LARGER_IS_BETTER and bound < 0:
            yield Problem(path, "can never be met", bound, f"{metric} is at least 0", "raise it")
        if metric == definition.prediction.metrics.leak and gate.leak is not None and gate.leak <= bound <= 1:
            allowed = f"less than gate.leak, {gate.leak}: from there on a leak is suspected"
            yield Problem(path, "can never be met", bound, allowed, "lower it")


def metrics_fit_the_label(definition: ModelDefinition) -> Iterator[Problem]:
    gate, search = definition.gate, definition.training.search
    named: list[tuple[KeyPath, str]] = [(("gate", "minimum", metric), metric) for metric in gate.minimum]
    if gate.against_champion:
        named.append((("gate", "against_champion", "metric"), gate.against_champion.metric))
    if shadow := definition.promotion.shadow:
        named.append((("promotion", "shadow", "metric"), shadow.metric))
    if search and search.metric:
        named.append((("training", "search", "metric"), search.metric))
    for path, metric in named:
        if metric not in definition.metrics:
            message = f"no metric of a label that is a {definition.prediction.label}"
            yield Problem(path, message, metric, definition.metrics, "name another, or change `label.type`")


def comparison_is_complete(definition: ModelDefinition) -> Iterator[Problem]:
    if declared := definition.gate.against_champion:
        yield from check_comparison(definition, declared, ("gate", "against_champion"))


def check_comparison(definition: ModelDefinition, declared: AgainstChampion, path: KeyPath) -> Iterator[Problem]:
    """Checks how a challenger is compared with the champion, wherever that is declared."""
    if declared.rule == "non_inferior" and declared.margin is None:
        message, allowed = "missing key: the largest loss that is acceptable", "a number above 0"
        yield Problem((*path, "margin"), message, None, allowed, "add `margin:`")
    if declared.rule == "superior" and declared.margin is not None:
        fix = "remove it, or write `rule: non_inferior`"
        yield Problem((*path, "margin"), "not used: superior means better by any amount", declared.margin, None, fix)
    needed = ceil(round(TAIL_RESAMPLES / (1 - declared.confidence), 6))
    if declared.resamples < needed:
        message = f"too few to be {Gate(against_champion=declared).confidence_text}"
        fix = "draw more resamples, or lower the confidence"
        yield Problem((*path, "resamples"), message, declared.resamples, f"at least {needed}", fix)


def holdout_has_enough_days(definition: ModelDefinition) -> Iterator[Problem]:
    gate, days = definition.gate, definition.training.holdout.days
    nights = fewest_nights(definition.schedule, definition.training.holdout)
    if nights == 0:
        return  # a cron that names no date is refused by its own rule
    if (gate.against_champion or gate.baseline) and nights < gate.min_days:
        message = f"too short to be {gate.confidence_text} of a comparison: whole nights are resampled"
        fix = "keep more days" if gate.against_champion else "keep more days, or write `baseline: false` under `gate:`"
        received, allowed = f"{days}d", f"at least {gate.min_days}d"
        if definition.schedule.cron:
            received, allowed = (
                f"{days}d, {nights} {'night' if nights == 1 else 'nights'} at the fewest",
                f"at least {gate.min_days} nights",
            )
        yield Problem(("training", "holdout"), message, received, allowed, fix)


def slices_have_a_champion_and_columns(definition: ModelDefinition) -> Iterator[Problem]:
    slices = definition.gate.slices
    if slices and definition.gate.against_champion is None:
        message = "the comparison of the slices is not declared"
        yield Problem(
            ("gate", "slices"), message, None, "slices together with against_champion", "add `against_champion:`"
        )
    yield from check_slices(definition, slices, ("gate", "slices"))


def check_slices(definition: ModelDefinition, slices: Slices | None, path: KeyPath) -> Iterator[Problem]:
    """Checks the columns of slices, wherever slices are declared."""
    categories = [name for name, kind in definition.feature_types.items() if kind == "category"]
    columns = [*definition.observations.key, *categories]
    for position, column in enumerate(slices.columns if slices else ()):
        column_path = (*path, "columns", position)
        if column not in columns:
            message = "neither a column of the observations' key nor a category"
            yield Problem(column_path, message, column, columns, "name one of these")
        elif slices and column in slices.columns[:position]:
            yield Problem(column_path, "named twice", column, None, "remove one")


RULES = (
    gate_has_rules,
    first_model_is_judged,
    minimum_can_be_met,
    metrics_fit_the_label,
    comparison_is_complete,
    holdout_has_enough_days,
    slices_have_a_champion_and_columns,
)
