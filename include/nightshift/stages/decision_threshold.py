"""The threshold of a version's decisions, chosen on the nights of its holdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.value import BEST
from nightshift.errors import TerminalError
from nightshift.lake.key_shares import shares_of
from nightshift.lake.labels import read_labels
from nightshift.lake.tables import raw_table
from nightshift.monitoring.outcomes import settle_labels
from nightshift.monitoring.value import naive_value, value_columns, values_by_decision
from nightshift.project import Project
from nightshift.registry.decision_threshold import DecisionThreshold
from nightshift.stages.outcomes import observed_rows
from nightshift.training.bootstrap import Vector
from nightshift.training.thresholds import best_threshold


def learn_threshold(
    project: Project, rows: pa.Table, scores: Vector, snapshots: Mapping[str, int]
) -> DecisionThreshold | None:
    """The threshold of a fitted model's decisions; None if the definition declares none.

    Args:
        project: The model, with the definition that it was fitted by.
        rows: The observations of its holdout, with `score_date` and their key.
        scores: Their scores, shape (rows,).
        snapshots: The snapshot of each table that is read.

    Raises:
        TerminalError: If no row of the holdout has a value.
    """
    definition = project.definition
    value = definition.monitoring.value
    if value is None or value.decision.threshold is None:
        return None
    if value.decision.threshold != BEST:
        return DecisionThreshold(float(value.decision.threshold))
    scored = rows.select(["score_date", *definition.observations.key]).append_column("score", pa.array(scores))
    nights = list(_values(project, scored.filter(pa.array(np.isfinite(scores))), snapshots))
    valued = pa.concat_tables(table for table, _ in nights)
    if valued.num_rows == 0:
        raise TerminalError(
            "no row of the holdout has a value, with the decision and without it: no threshold is the best",
            where=f"{definition.folder / 'model.yaml'}: monitoring.value",
            received=value.expression,
            fix="write an expression that has a value for rows with an outcome, or a number as the threshold",
        )
    decided, otherwise = (valued[name].to_numpy() for name in ("decided", "otherwise"))
    days = np.unique(valued["score_date"].to_numpy(), return_inverse=True)[1]
    chosen = best_threshold(valued["score"].to_numpy(), decided - otherwise, days, definition.training.seed)
    is_decided = chosen.decide(valued["score"].combine_chunks()).to_numpy(zero_copy_only=False)
    naive = [worth for _, worth in nights if worth is not None]
    return replace(
        chosen, value=float(np.where(is_decided, decided, otherwise).sum()), naive=sum(naive) if naive else None
    )


def _values(
    project: Project, scored: pa.Table, snapshots: Mapping[str, int]
) -> Iterator[tuple[pa.Table, float | None]]:
    """Of each night, or share of a large one: what its rows are worth, and the value of the naive policy."""
    definition = project.definition
    key, outcomes = definition.observations.key, raw_table(definition, definition.label.source).name
    for night in sorted(pc.unique(scored["score_date"]).to_pylist()):
        of_night = scored.filter(pc.equal(scored["score_date"], pa.scalar(night, pa.date32())))
        for share in shares_of(of_night.num_rows, definition.label_key):
            rows = of_night if share is None else share.of(of_night)
            labels, _ = settle_labels(
                read_labels(
                    project.lake,
                    definition,
                    rows.select(["score_date", *key]),
                    snapshots[outcomes],
                    extra_columns=value_columns(definition),
                    share=share,
                    dates=(night, night),
                ),
                key,
            )
            observed = observed_rows(project, rows, night, share, snapshots)
            yield (
                values_by_decision(definition, rows, labels, observed),
                naive_value(definition, rows, labels, observed),
            )
