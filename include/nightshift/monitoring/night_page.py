"""The page of a night: the decision with its reasons, the features that moved, and the history of its values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache
from itertools import accumulate
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from nightshift.definition.schedule import Schedule
from nightshift.monitoring.evidence import AUDITS, Row, is_decision, night_drift
from nightshift.monitoring.histograms import Histogram
from nightshift.monitoring.history_plots import HEIGHT, TITLE_HEIGHT, Section, plot_history, promotions_of
from nightshift.monitoring.statistics import times_threshold
from nightshift.monitoring.value import CHAMPION, NAIVE
from nightshift.pages import POLICY, plots, templates
from nightshift.pages.plots import Axis, Plot

HISTORY = 60  # how many nights back are plotted
MOVERS = 10
BIN_NAME, AXIS_NAMES = 8, 45  # letters of a bin's name, and of all names below an axis
THOUSANDS = 10_000  # from here on values are in thousands: longer numbers would run into the axis' title
TIMES, IMPORTANCE = "times its threshold", "share of importance"
OVERALL = {
    "input_drift": ("Input drift, all features together", TIMES),
    "joint_drift": ("Joint drift, correlations of features", TIMES),
    "prediction_drift": ("Prediction drift, the scores", TIMES),
    "weighted_drift": ("Importance of the features that drifted", IMPORTANCE),
}
METRICS = {
    "roc_auc": ("ROC AUC", "higher is better"),
    "macro_roc_auc": ("ROC AUC, mean of the classes", "higher is better"),
    "brier": ("Brier score", "lower is better"),
    "log_loss": ("Log loss", "lower is better"),
    "accuracy": ("Accuracy", "higher is better"),
    "mae": ("Mean absolute error", "lower is better"),
    "rmse": ("Root mean squared error", "lower is better"),
}
DECIDED = {"request": "retraining requested", "nothing": "no retraining"}


def render_night(
    model: str,
    night: date,
    rows: Sequence[Row],
    unit: str = "",
    histograms: Sequence[Histogram] = (),
    definition: str = "current",
    schedule: Schedule | None = None,
) -> str:
    """Renders the page of a night.

    Args:
        model: The model.
        night: The score date.
        rows: Rows of `monitoring.<model>`, of the night and of the nights before it.
        unit: The unit of the value.
        histograms: Those of the features that moved most.
        definition: The definition of the features that were scored, in words.
        schedule: Which dates are nights; every date if None.

    Returns:
        One HTML page that loads nothing.
    """
    tonight = [row for row in rows if row["score_date"] == night]
    decision = next((row for row in tonight if is_decision(row)), None)
    evidence = [_evidence(row) for row in tonight if row["monitor"] == "decision" and not is_decision(row)]
    calm = decision is not None and decision["verdict"] == "nothing"
    quiet = calm and bool(evidence) and not any(trigger["fired"] for trigger in evidence)
    sections = [
        Section("Reference and night", "The features that moved most, by the share of rows with each value.",
                {"champion": "reference", "challenger": "night"},
                [_plot_histogram(histogram) for histogram in histograms]),
        _drift(rows, schedule),
        _performance(rows, schedule),
        _value(rows, unit, schedule),
    ]  # fmt: skip
    return (
        _environment()
        .get_template("night.j2")
        .render(
            title=f"{model}: the night of {night}",
            decision=_decision_title(decision["verdict"]) if decision else "not decided yet",
            calm=calm,
            reason="No trigger fires." if quiet else decision["detail"] if decision else "",
            facts=_facts(tonight) | {"Definition of its features": definition},
            evidence=sorted(evidence, key=lambda trigger: (not trigger["fired"], trigger["verdict"] != "warn")),
            movers=movers(tonight),
            sections=[section for section in sections if section.plots],
            policy=POLICY,
        )
    )


def movers(tonight: Iterable[Row]) -> list[dict[str, Any]]:
    """The features that moved most: each by the statistic that is furthest beyond, or nearest to, its threshold."""
    furthest: dict[str, dict[str, Any]] = {}
    for row in tonight:
        if row["monitor"] == "drift" and row["subject"] != "night" and row["value"] is not None:
            times = times_threshold(row["statistic"], row["value"], row["threshold"] or 0.0)
            if row["subject"] not in furthest or times > furthest[row["subject"]]["times"]:
                furthest[row["subject"]] = {**row, "times": times}
    return sorted(furthest.values(), key=lambda row: -row["times"])[:MOVERS]


def _facts(tonight: Sequence[Row]) -> dict[str, str]:
    # Other rows may be a challenger's.
    versions = {
        row["model_version"]
        for row in tonight
        if row["monitor"] in {"drift", "estimate"} and row["subject"] == "night" and row["model_version"] is not None
    }
    verdicts = [row["verdict"] for row in tonight if row["monitor"] in AUDITS]
    rows = max((row["sample_size"] or 0 for row in tonight if row["monitor"] == "estimate"), default=0)
    return {
        "Scored by": f"version {max(versions)}" if versions else "unknown",
        "Rows": f"{rows:,}",
        "Drift": _summarize_drift(tonight),
        "Quality": _summarize_quality(verdicts),
    }


def _decision_title(verdict: str) -> str:
    return DECIDED.get(verdict, verdict.replace("suppressed_by_", "retraining suppressed by ").replace("_", " "))


def _evidence(row: Row) -> dict[str, Any]:
    """A trigger's row with whether it fires, and its detail without its name."""
    fired = row["verdict"] == "warn" and row["value"] is not None and row["value"] >= (row["threshold"] or 0)
    return {**row, "fired": fired, "detail": row["detail"].removeprefix(f"{row['subject']}: ")}


def _summarize_drift(tonight: Sequence[Row]) -> str:
    """The night's statistics beyond their thresholds, and the share of the importance that drifted."""
    drifted, _ = night_drift(tonight)
    if drifted is None:
        return "unknown"
    by_name = {row["statistic"]: row for row in tonight if (row["monitor"], row["subject"]) == ("drift", "night")}
    beyond = [
        f"{name.replace('_', ' ')} {row['value'] / row['threshold']:.3g} times its threshold"
        for name, row in by_name.items()
        if name in OVERALL and row["threshold"] and row["value"] is not None and row["value"] > row["threshold"]
    ]
    summary = ", ".join(beyond) or "nothing beyond its threshold"
    share = by_name.get("weighted_drift", {}).get("value")
    return summary if share is None else f"{summary}; features with {share:.0%} of the importance drifted"


def _summarize_quality(verdicts: Sequence[str]) -> str:
    if not verdicts:
        return "no audit was recorded"
    failures = verdicts.count("fail")
    warnings = len(verdicts) - failures - verdicts.count("pass")
    warned = f"{warnings} warning{'' if warnings == 1 else 's'}"
    if failures:
        return f"{failures} of {len(verdicts)} checks failed" + (f", {warned}" if warnings else "")
    return f"{warned} in {len(verdicts)} checks" if warnings else f"{len(verdicts)} checks passed"


def _drift(rows: Sequence[Row], schedule: Schedule | None) -> Section:
    drawn = []
    for statistic, (title, label) in OVERALL.items():
        nights = _night_rows(rows, "drift", statistic)
        values, bounds = _series(nights, "value"), _series(nights, "threshold")
        if values:
            lines = {"challenger dotted": values, "bound": bounds}
            drawn.append(plot_history(title, "", label, lines, promotions_of(nights), schedule))
    return Section("Drift", "By night.", {"challenger": "measured", "bound": "threshold"}, drawn)


def _performance(rows: Sequence[Row], schedule: Schedule | None) -> Section:
    drawn = []
    for metric, (title, direction) in METRICS.items():
        estimated, realized = (_night_rows(rows, monitor, metric) for monitor in ("estimate", "outcome"))
        lines = {"challenger": _series(estimated, "value"), "champion dotted": _series(realized, "value")}
        if any(lines.values()):
            lines["challenger limit"] = _series(estimated, "threshold")
            lines["champion limit"] = _series(realized, "threshold")
            lines["ideal"] = _series(_holdout_rows(rows, metric), "value")
            promotions = promotions_of([*estimated, *realized])
            drawn.append(plot_history(title, direction, metric, lines, promotions, schedule))
    note = (
        "The estimate uses no labels. It follows rows that move to where the model is better or worse. It does not "
        "notice a changed concept: rows of the same score with other outcomes than before."
    )
    legend = {"challenger": "estimated", "champion": "realized", "limit": "worst expected value, dashed in each colour",
              "ideal": "mean of the holdout's nights"}  # fmt: skip
    return Section("Performance", note, legend, drawn)


def _holdout_rows(rows: Sequence[Row], metric: str) -> list[Row]:
    """The holdout's means: realized ones where a night has them, else those estimated, as the night's own."""
    holdout = [row for row in rows if (row["subject"], row["statistic"]) == ("reference", metric)]
    return sorted(holdout, key=lambda row: bool(row["monitor"] == "outcome"))


def _value(rows: Sequence[Row], unit: str, schedule: Schedule | None) -> Section:
    by_subject: dict[str, list[Row]] = {}
    for row in rows:
        if row["monitor"] == "value" and row["statistic"] == "value":
            by_subject.setdefault(row["subject"], []).append(row)
    lines, legend = {}, {}
    for subject in sorted(by_subject, key=lambda name: (name != CHAMPION, name)):
        style = {CHAMPION: "champion", NAIVE: "ideal"}.get(subject, "challenger")
        series = sorted(_series(by_subject[subject], "value").items())
        if series:
            totals = accumulate(value for _, value in series)
            lines[f"{style} {subject.replace(' ', '-')}"] = dict(zip([day for day, _ in series], totals, strict=True))
            legend[style] = {CHAMPION: subject, NAIVE: "without a model"}.get(subject, "challengers")
    if max((abs(value) for series in lines.values() for value in series.values()), default=0) >= THOUSANDS:
        lines = {style: {day: value / 1000 for day, value in series.items()} for style, series in lines.items()}
        unit = f"thousand {unit}".rstrip()
    promotions = promotions_of(by_subject.get(CHAMPION, []))
    note = "Cumulative over the nights shown."
    drawn = [plot_history("Value", note, unit or "value", lines, promotions, schedule)] if lines else []
    return Section("Value", "Of nights whose labels are final.", legend, drawn)


def _plot_histogram(histogram: Histogram) -> Plot:
    count = len(histogram.bins)
    names = [name[:BIN_NAME] for name in histogram.bins]
    every = ceil(sum(map(len, names)) / AXIS_NAMES)
    ticks = tuple((position + 0.5, name) for position, name in enumerate(names) if position % every == 0)
    x = Axis("", 0, count, plots.LEFT, plots.WIDTH - plots.RIGHT, ticks)
    highest = max([*histogram.reference, *histogram.night, 0.01])
    y = plots.vertical_axis("share of rows", 0, 1.05 * highest, HEIGHT + TITLE_HEIGHT)
    edges = np.arange(count + 1, dtype=np.float64)
    shares = {"champion": histogram.reference, "challenger": histogram.night}
    lines = [plots.steps(style, x, y, edges, np.asarray(heights)) for style, heights in shares.items()]
    return Plot(histogram.feature, "", x, y, lines, height=HEIGHT)


def _night_rows(rows: Iterable[Row], monitor: str, statistic: str) -> list[Row]:
    key = (monitor, "night", statistic)
    return [row for row in rows if (row["monitor"], row["subject"], row["statistic"]) == key]


def _series(rows: Iterable[Row], column: str) -> dict[date, float]:
    return {row["score_date"]: row[column] for row in rows if row[column] is not None and isfinite(row[column])}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=templates(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True)
