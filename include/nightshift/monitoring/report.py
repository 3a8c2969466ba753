"""The page of a night: what was decided and why, what moved, and how drift, performance and value came to that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import accumulate
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment

from nightshift.monitoring.evidence import AUDITS, Row, drift_of, is_decision
from nightshift.monitoring.histograms import Histogram
from nightshift.monitoring.value import CHAMPION, NAIVE
from nightshift.pages import POLICY, plots, templates
from nightshift.pages.plots import Axis, Line, Mark, Plot

SHOWN = timedelta(days=60)  # of history
MOVERS = 10
HEIGHT, UNNAMED = 210, 20  # of a plot, of which a page has many; of an axis' name, which is not needed
NAME, ROOM = 8, 45  # letters of a bin's name, and of all names below an axis
THOUSANDS = 10_000  # from here on values are shown in thousands, or their numbers would run into the axis' name
TIMES, IMPORTANCE = "times its threshold", "share of importance"
OVERALL = {
    "input_drift": ("Input drift, all features together", TIMES),
    "joint_drift": ("Joint drift, correlations of features", TIMES),
    "prediction_drift": ("Prediction drift, the scores", TIMES),
    "weighted_drift": ("Importance of the features that drifted", IMPORTANCE),
}
METRICS = {
    "roc_auc": ("ROC AUC", "higher is better"),
    "brier": ("Brier score", "lower is better"),
    "mae": ("Mean absolute error", "lower is better"),
    "rmse": ("Root mean squared error", "lower is better"),
}
DECIDED = {"request": "retraining requested", "nothing": "no retraining"}

Series = Mapping[date, float]


@dataclass(frozen=True)
class Section:
    """Plots of one kind, with what their lines mean by their style."""

    title: str
    note: str
    legend: Mapping[str, str]
    plots: Sequence[Plot]


def render_night(
    model: str, night: date, rows: Sequence[Row], unit: str = "", histograms: Sequence[Histogram] = ()
) -> str:
    """The page of a night.

    Args:
        model: The model.
        night: The score date.
        rows: Rows of `monitoring.<model>`, of the night and of those before it.
        unit: Of the value.
        histograms: Of the features that moved most.

    Returns:
        One HTML page that refers to nothing outside of itself.
    """
    tonight = [row for row in rows if row["score_date"] == night]
    decision = next((row for row in tonight if is_decision(row)), None)
    evidence = [_evidence(row) for row in tonight if row["monitor"] == "decision" and not is_decision(row)]
    calm = decision is not None and decision["verdict"] == "nothing"
    quiet = calm and bool(evidence) and not any(one["fired"] for one in evidence)
    sections = [
        Section("Reference and night", "The features that moved most: the share of rows by value.",
                {"champion": "reference", "challenger": "night"},
                [_histogram(one) for one in histograms]),
        _drift(rows),
        _performance(rows),
        _value(rows, unit),
    ]  # fmt: skip
    return (
        _environment()
        .get_template("night.j2")
        .render(
            title=f"{model}: the night of {night}",
            decision=_decided(decision["verdict"]) if decision else "not decided yet",
            calm=calm,
            reason="No trigger fires." if quiet else decision["detail"] if decision else "",
            facts=_facts(tonight),
            evidence=sorted(evidence, key=lambda one: (not one["fired"], one["verdict"] != "warn")),
            movers=movers(tonight),
            sections=[one for one in sections if one.plots],
            policy=POLICY,
        )
    )


def movers(tonight: Iterable[Row]) -> list[dict[str, Any]]:
    """The features that moved most: each by the statistic that is furthest beyond, or nearest to, its threshold."""
    found: dict[str, dict[str, Any]] = {}
    for row in tonight:
        if row["monitor"] == "drift" and row["subject"] != "night" and row["value"] is not None:
            times = row["value"] / row["threshold"] if row["threshold"] else 0.0
            if row["subject"] not in found or times > found[row["subject"]]["times"]:
                found[row["subject"]] = {**row, "times": times}
    return sorted(found.values(), key=lambda row: -row["times"])[:MOVERS]


def _facts(tonight: Sequence[Row]) -> dict[str, str]:
    # Not of every row: some are a challenger's.
    versions = {
        row["model_version"]
        for row in tonight
        if row["monitor"] in {"drift", "estimate"} and row["subject"] == "night" and row["model_version"] is not None
    }
    verdicts = [row["verdict"] for row in tonight if row["monitor"] in AUDITS]
    bad = sum(verdict != "pass" for verdict in verdicts)
    rows = max((row["sample_size"] or 0 for row in tonight if row["monitor"] == "estimate"), default=0)
    return {
        "Scored by": f"version {max(versions)}" if versions else "unknown",
        "Rows": f"{rows:,}",
        "Drift": _drifted(tonight),
        "Quality": _checked(bad, len(verdicts)),
    }


def _decided(verdict: str) -> str:
    return DECIDED.get(verdict, verdict.replace("suppressed_by_", "retraining held back by ").replace("_", " "))


def _evidence(row: Row) -> dict[str, Any]:
    """What a trigger saw, without its name before it, and whether it fires."""
    fired = row["verdict"] == "warn" and row["value"] is not None and row["value"] >= (row["threshold"] or 0)
    return {**row, "fired": fired, "detail": row["detail"].removeprefix(f"{row['subject']}: ")}


def _drifted(tonight: Sequence[Row]) -> str:
    """In words, which of the night's statistics are beyond their thresholds and how much of the importance drifted."""
    drifted, _ = drift_of(tonight)
    if drifted is None:
        return "not known"
    by_name = {row["statistic"]: row for row in tonight if (row["monitor"], row["subject"]) == ("drift", "night")}
    beyond = [
        f"{name.replace('_', ' ')} {row['value'] / row['threshold']:.3g} times its threshold"
        for name, row in by_name.items()
        if name in OVERALL and row["threshold"] and row["value"] is not None and row["value"] > row["threshold"]
    ]
    told = ", ".join(beyond) or "nothing beyond its threshold"
    share = by_name.get("weighted_drift", {}).get("value")
    return told if share is None else f"{told}; features with {share:.0%} of the importance drifted"


def _checked(bad: int, count: int) -> str:
    if not count:
        return "no audit is known"
    return f"{bad} of {count} checks did not pass" if bad else f"{count} checks passed"


def _drift(rows: Sequence[Row]) -> Section:
    drawn = []
    for statistic, (title, label) in OVERALL.items():
        of = _night_rows(rows, "drift", statistic)
        values, bounds = _series(of, "value"), _series(of, "threshold")
        if values:
            lines = {"challenger dotted": values, "bound": bounds}
            drawn.append(history(title, "", label, lines, _promotions(of)))
    return Section("Drift", "By night.", {"challenger": "measured", "bound": "threshold"}, drawn)


def _performance(rows: Sequence[Row]) -> Section:
    drawn = []
    for metric, (title, better) in METRICS.items():
        estimated, realized = (_night_rows(rows, monitor, metric) for monitor in ("estimate", "outcome"))
        lines = {"challenger": _series(estimated, "value"), "champion dotted": _series(realized, "value")}
        if any(lines.values()):
            lines["challenger limit"] = _series(estimated, "threshold")
            lines["champion limit"] = _series(realized, "threshold")
            holdout = [row for row in rows if (row["subject"], row["statistic"]) == ("reference", metric)]
            lines["ideal"] = _series(holdout, "value")
            drawn.append(history(title, better, metric, lines, _promotions([*estimated, *realized])))
    note = (
        "The estimate knows no label. It sees rows that move to where the model is better or worse; it does not see "
        "that rows of the same score turn out otherwise than they did (a changed concept)."
    )
    legend = {"challenger": "estimated", "champion": "realized", "limit": "the worst to expect, dashed in each colour",
              "ideal": "mean of the holdout's days"}  # fmt: skip
    return Section("Performance", note, legend, drawn)


def _value(rows: Sequence[Row], unit: str) -> Section:
    known = [row for row in rows if row["monitor"] == "value" and row["statistic"] == "value"]
    of_champion = [row for row in known if row["subject"] == CHAMPION]
    lines, legend = {}, {}
    for who in sorted({row["subject"] for row in known}, key=lambda name: (name != CHAMPION, name)):
        style = {CHAMPION: "champion", NAIVE: "ideal"}.get(who, "challenger")
        nights = sorted(_series([row for row in known if row["subject"] == who], "value").items())
        if nights:
            lines[f"{style} {who.replace(' ', '-')}"] = dict(
                zip([day for day, _ in nights], accumulate(value for _, value in nights), strict=True)
            )
            legend[style] = {CHAMPION: who, NAIVE: "without a model"}.get(who, "challengers")
    if max((abs(value) for series in lines.values() for value in series.values()), default=0) >= THOUSANDS:
        lines = {style: {day: value / 1000 for day, value in series.items()} for style, series in lines.items()}
        unit = f"thousand {unit}".rstrip()
    drawn = (
        [history("Value", "Added up over the nights shown.", unit or "value", lines, _promotions(of_champion))]
        if lines
        else []
    )
    return Section("Value", "Of nights whose labels are final.", legend, drawn)


def _histogram(one: Histogram) -> Plot:
    count = len(one.bins)
    names = [name[:NAME] for name in one.bins]
    every = ceil(sum(map(len, names)) / ROOM)
    named = tuple((place + 0.5, name) for place, name in enumerate(names) if place % every == 0)
    x = Axis("", 0, count, plots.LEFT, plots.WIDTH - plots.RIGHT, named)
    y = plots.up("share of rows", 0, 1.05 * max([*one.reference, *one.night, 0.01]), HEIGHT + UNNAMED)
    edges = np.arange(count + 1, dtype=np.float64)
    of = {"champion": one.reference, "challenger": one.night}
    lines = [plots.steps(kind, x, y, edges, np.asarray(shares)) for kind, shares in of.items()]
    return Plot(one.feature, "", x, y, lines, height=HEIGHT)


def history(
    title: str, note: str, label: str, lines: Mapping[str, Series], promotions: Mapping[date, int] | None = None
) -> Plot:
    """Lines over nights, interrupted where nights are missing.

    Args:
        title: What is shown.
        note: What it means.
        label: Of the vertical axis.
        lines: Values by night, by the style of their line.
        promotions: From which nights on which version scored, of those that came after another.
    """
    days = sorted({day for series in lines.values() for day in series})
    values = [value for series in lines.values() for value in series.values()]
    first, last = days[0].toordinal(), max(days[-1].toordinal(), days[0].toordinal() + 1)
    step = max(1, (last - first) // 5)
    named = tuple((float(day), f"{date.fromordinal(day):%m-%d}") for day in range(first, last + 1 - step // 2, step))
    x = Axis("", first, last, plots.LEFT, plots.WIDTH - plots.RIGHT, named)
    room = 0.08 * (max(values) - min(values)) or 0.05 * abs(max(values)) or 0.01
    y = plots.up(label, min(values) - room, max(values) + room, HEIGHT + UNNAMED)
    drawn = [Line(kind, part) for kind, series in lines.items() for part in _parts(x, y, series)]
    marks = [
        Mark("version", x.place(day.toordinal()), f"version {number}", place % 2)
        for place, (day, number) in enumerate((promotions or {}).items())
        if first < day.toordinal() <= last
    ]
    return Plot(title, note, x, y, drawn, marks=marks, height=HEIGHT)


def _promotions(rows: Iterable[Row]) -> dict[date, int]:
    """From which nights on which version scored, but for the first."""
    found: dict[date, int] = {}
    before: int | None = None
    for row in sorted(rows, key=lambda one: one["score_date"]):
        number = row["model_version"]
        if number is not None and number != before:
            if before is not None:
                found[row["score_date"]] = number
            before = number
    return found


def _parts(x: Axis, y: Axis, series: Series) -> list[str]:
    """The points of neighbouring nights, as lines' points; a night alone is a short line."""
    found: list[list[tuple[date, float]]] = []
    for place, (day, value) in enumerate(sorted(series.items())):
        if place == 0 or day - found[-1][-1][0] > timedelta(days=1):
            found.append([])
        found[-1].append((day, value))
    return [plots.line("", x, y, [(day.toordinal(), value) for day, value in part]).points for part in found]


def _night_rows(rows: Iterable[Row], monitor: str, statistic: str) -> list[Row]:
    wanted = (monitor, "night", statistic)
    return [row for row in rows if (row["monitor"], row["subject"], row["statistic"]) == wanted]


def _series(rows: Iterable[Row], column: str) -> dict[date, float]:
    return {row["score_date"]: row[column] for row in rows if row[column] is not None and isfinite(row[column])}


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(loader=templates(Path(__file__).with_name("templates")), autoescape=True, trim_blocks=True)
