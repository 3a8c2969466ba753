from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.catalog import Lake
from nightshift.lake.labels import join_labels, read_row_labels
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import raw_table
from unit.conftest import Edit
from unit.tables import day


def fail(lake: Lake, definition: ModelDefinition, when: date, failed: dict[str, bool | None]) -> int:
    """Publishes what became of machines on a day."""
    spec = raw_table(definition, "failures")
    rows = [{"source_date": when, "machine": machine, "failed": value} for machine, value in failed.items()]
    staged = stage_arrow(lake, spec, pa.Table.from_pylist(rows, schema=spec.schema), when, when, {})
    return publish(lake, spec, staged)


def test_every_outcome_is_a_label_and_no_outcome_is_none(lake: Lake, tiny: ModelDefinition) -> None:
    fail(lake, tiny, day(1), {"b": True, "a": False, "c": None})
    labels = read_row_labels(lake, tiny, day(1), day(1))
    assert labels.schema.field("label").type == pa.float64()
    assert labels.to_pylist() == [
        {"score_date": day(1), "machine": "a", "label": 0.0},
        {"score_date": day(1), "machine": "b", "label": 1.0},
    ]


def test_only_the_dates_and_the_snapshot_asked_for_are_read(lake: Lake, tiny: ModelDefinition) -> None:
    old = fail(lake, tiny, day(1), {"a": False})
    fail(lake, tiny, day(1), {"a": True})
    fail(lake, tiny, day(2), {"a": True})
    assert read_row_labels(lake, tiny, day(1), day(1))["label"].to_pylist() == [1.0]
    assert read_row_labels(lake, tiny, day(1), day(2), snapshot=old)["label"].to_pylist() == [0.0]


def test_the_label_is_the_declared_expression(lake: Lake, edit: Edit) -> None:
    definition = edit("  expression: failed", "  expression: not failed and machine <> 'b'")
    fail(lake, definition, day(1), {"a": False, "b": False, "c": True, "d": None})
    assert read_row_labels(lake, definition, day(1), day(1))["label"].to_pylist() == [1.0, 0.0, 0.0]


def test_an_expression_that_cannot_be_computed_names_the_definition(lake: Lake, edit: Edit) -> None:
    definition = edit("  expression: failed", "  expression: machine + failed")
    fail(lake, definition, day(1), {"a": False})
    with pytest.raises(TerminalError) as caught:
        read_row_labels(lake, definition, day(1), day(1))
    message = str(caught.value)
    assert message.startswith(f"{definition.folder / 'model.yaml'}: label.expression: the label cannot be computed: ")
    assert "received 'machine + failed'; fix: write DuckDB SQL over the columns of raw.failures" in message


def test_rows_get_the_label_of_their_own_day_and_key_and_those_without_one_are_left_out() -> None:
    rows = pa.table({"score_date": [day(2), day(1), day(1)], "machine": ["a", "b", "a"], "busy": [0.3, 0.2, 0.1]})
    labels = pa.table({"score_date": [day(1), day(2), day(1)], "machine": ["a", "a", "c"], "label": [1.0, 0.0, 1.0]})
    assert join_labels(rows, labels, ("machine",)).to_pylist() == [
        {"score_date": day(1), "machine": "a", "busy": 0.1, "label": 1.0},
        {"score_date": day(2), "machine": "a", "busy": 0.3, "label": 0.0},
    ]


def test_the_order_of_labelled_rows_is_that_of_their_key_whatever_order_they_came_in() -> None:
    rows = pa.table({"score_date": [day(1)] * 50, "machine": [f"m{i:02d}" for i in range(50)], "busy": range(50)})
    labels = rows.select(["score_date", "machine"]).append_column("label", pa.array([1.0] * 50))
    turned = rows.take(list(reversed(range(50))))
    assert join_labels(turned, labels, ("machine",)).equals(join_labels(rows, labels, ("machine",)))
    assert join_labels(turned, labels, ("machine",))["machine"].to_pylist() == rows["machine"].to_pylist()


def test_a_row_without_a_key_has_no_label() -> None:
    rows = pa.table({"score_date": [day(1)], "machine": pa.array([None], pa.string()), "busy": [0.1]})
    labels = pa.table({"score_date": [day(1)], "machine": pa.array([None], pa.string()), "label": [1.0]})
    assert join_labels(rows, labels, ("machine",)).num_rows == 0
