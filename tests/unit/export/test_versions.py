"""Exported versions: they are compared with the version over a night before anything is written."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest

from nightshift.errors import TerminalError
from nightshift.export import versions
from nightshift.export.formats import ExportFormat
from nightshift.export.versions import TOLERANCE, export_version, largest_difference
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import features_table
from nightshift.project import Project
from unit.registry.conftest import project, settings, start
from unit.registry.trainings import Start
from unit.training.machines import machines

__all__ = ["project", "settings", "start"]
NIGHT = date(2024, 1, 20)


def publish_features(project: Project, night: date, count: int) -> None:
    spec = features_table(project.definition)
    rows = machines(count, seed=night.day).drop_columns("label")
    keys = {"score_date": [night] * count, "machine": [f"m{number}" for number in range(count)]}
    columns = {name: keys.get(name) or rows[name] for name in spec.columns if name in {*keys, *rows.column_names}}
    table = pa.table(
        {
            field.name: pa.array(columns[field.name], field.type)
            if isinstance(columns.get(field.name), list)
            else columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(count, field.type)
            for field in spec.schema
        }
    )
    publish(project.lake, spec, stage_arrow(project.lake, spec, table, night, night, {}))


def test_the_champion_is_compared_over_the_newest_night_and_written(
    start: Start, project: Project, tmp_path: Path
) -> None:
    start(1, 2)
    publish_features(project, NIGHT, 12)
    publish_features(project, NIGHT - timedelta(days=1), 7)
    exported = export_version(project, ExportFormat.onnx, str(tmp_path / "new"))
    assert exported.comparison is not None
    assert (exported.version, exported.comparison.night, exported.comparison.rows) == (2, NIGHT, 12)
    assert exported.comparison.difference <= 1e-12
    assert exported.files == (f"file://{tmp_path}/new/tiny-2.onnx",)
    model = onnx.load(tmp_path / "new" / "tiny-2.onnx")
    properties = {item.key: item.value for item in model.metadata_props}
    assert properties == {
        "nightshift.model": "tiny",
        "nightshift.version": "2",
        "nightshift.digest": exported.digest,
    }
    earlier = export_version(project, ExportFormat.onnx, str(tmp_path), 1, NIGHT - timedelta(days=1))
    assert earlier.comparison is not None
    assert (earlier.version, earlier.comparison.rows) == (1, 7)


def test_equal_versions_give_equal_files(start: Start, project: Project, tmp_path: Path) -> None:
    start(1)
    publish_features(project, NIGHT, 3)
    for form in ExportFormat:
        contents = []
        for name in ("a", "b"):
            export_version(project, form, str(tmp_path / form / name))
            files = sorted(file for file in (tmp_path / form / name).rglob("*") if file.is_file())
            contents.append({file.relative_to(tmp_path / form / name): file.read_bytes() for file in files})
        assert contents[0] == contents[1]


def test_a_triton_repository_has_the_configuration_beside_the_versions(
    start: Start, project: Project, tmp_path: Path
) -> None:
    start(1, 2)
    publish_features(project, NIGHT, 3)
    for number in (1, 2):
        export_version(project, ExportFormat.triton, str(tmp_path), number)
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == {
        "tiny/config.pbtxt",
        "tiny/1/model.onnx",
        "tiny/2/model.onnx",
    }
    lines = (tmp_path / "tiny" / "config.pbtxt").read_text().splitlines()
    assert lines == [
        'name: "tiny"',
        'backend: "onnxruntime"',
        "max_batch_size: 4096",
        "version_policy { latest { num_versions: 1 } }",
        'input [ { name: "busy" data_type: TYPE_FP64 dims: [ 1 ] } ]',
        'input [ { name: "kind" data_type: TYPE_STRING dims: [ 1 ] } ]',
        'input [ { name: "machine_failures_3d" data_type: TYPE_FP64 dims: [ 1 ] } ]',
        'output [ { name: "score" data_type: TYPE_FP64 dims: [ 1 ] } ]',
        "dynamic_batching { }",
        "instance_group [ { kind: KIND_CPU } ]",
    ]
    graph = onnx.load(tmp_path / "tiny" / "2" / "model.onnx").graph
    assert {item.name for item in graph.input} == {"busy", "kind", "machine_failures_3d"}
    assert {item.name for item in graph.output} == {"score"}


def test_a_configuration_that_is_there_stays_and_one_of_other_inputs_refuses_the_export(
    start: Start, project: Project, tmp_path: Path
) -> None:
    start(1, 2)
    publish_features(project, NIGHT, 3)
    export_version(project, ExportFormat.triton, str(tmp_path), 1)
    config = tmp_path / "tiny" / "config.pbtxt"
    ours = config.read_text().replace("KIND_CPU", "KIND_GPU").replace("latest { num_versions: 1 }", "all { }")
    config.write_text(ours)
    export_version(project, ExportFormat.triton, str(tmp_path), 2)
    assert config.read_text() == ours
    (tmp_path / "tiny" / "2" / "model.onnx").unlink()
    config.write_text(ours.replace('"busy"', '"idle"'))
    with pytest.raises(
        TerminalError, match=r'tiny/config.pbtxt: .*other inputs.*"idle".*allowed: .*"busy".*; fix: export'
    ):
        export_version(project, ExportFormat.triton, str(tmp_path), 2)
    assert not (tmp_path / "tiny" / "2" / "model.onnx").exists()


def test_without_a_night_nothing_is_compared_and_nothing_written(
    start: Start, project: Project, tmp_path: Path
) -> None:
    start(1)
    with pytest.raises(TerminalError, match="tiny: no night has published features; fix: nightshift build tiny"):
        export_version(project, ExportFormat.onnx, str(tmp_path / "new"))
    publish_features(project, NIGHT, 3)
    with pytest.raises(TerminalError, match="the night has no published features; received '2024-01-21'"):
        export_version(project, ExportFormat.onnx, str(tmp_path / "new"), night=NIGHT + timedelta(days=1))
    with pytest.raises(TerminalError, match="no such version; received 9; allowed: 1"):
        export_version(project, ExportFormat.onnx, str(tmp_path / "new"), 9)
    assert not (tmp_path / "new").exists()


def test_a_graph_with_other_scores_is_not_written(
    start: Start, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(1, 2)
    publish_features(project, NIGHT, 30)
    other = project.registry.version(1)
    graph = versions._as_onnx(project.registry.package(other.run_id, other.digest), "tiny", other)
    monkeypatch.setattr(versions, "_as_onnx", lambda *_: graph)
    with pytest.raises(TerminalError, match="the graph gives other scores than the version, and was not written"):
        export_version(project, ExportFormat.triton, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("scores", "expected", "difference"),
    [
        ([0.5, np.nan], [0.5, np.nan], 0.0),
        ([0.5, 0.5 + TOLERANCE / 2], [0.5, 0.5], TOLERANCE / 2),
        ([2000.001], [2000.0], 5e-7),
        ([0.5, 0.5 + 2 * TOLERANCE], [0.5, 0.5], None),
        ([2000.003], [2000.0], None),
        ([np.nan], [0.5], None),
        ([0.5], [np.nan], None),
        ([np.inf], [0.5], None),
        ([np.inf, -np.inf], [np.inf, -np.inf], 0.0),
        ([np.inf], [-np.inf], None),
    ],
)
def test_differences_beyond_rounding_and_scores_of_one_alone_are_refused(
    scores: list[float], expected: list[float], difference: float | None
) -> None:
    if difference is None:
        with pytest.raises(TerminalError, match="at most 1e-06; fix: serve the version"):
            largest_difference(np.array(scores), np.array(expected))
    else:
        assert largest_difference(np.array(scores), np.array(expected)) == pytest.approx(difference, rel=1e-3)


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_without_the_group_of_packages_it_is_named(
    start: Start, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    start(1)
    publish_features(project, NIGHT, 3)
    for name in [name for name in sys.modules if name.startswith("nightshift.export.") and name != versions.__name__]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TerminalError, match=f"the package {package} is not installed; fix: install the"):
        export_version(project, ExportFormat.onnx, str(tmp_path / "new"))
    assert export_version(project, ExportFormat.archive, str(tmp_path)).comparison is None


def test_a_file_that_cannot_be_written_is_one_line(start: Start, project: Project) -> None:
    start(1)
    with pytest.raises(TerminalError, match=r"/dev/null/x/tiny-1.tar.gz: the file cannot be written.*fix: name"):
        export_version(project, ExportFormat.archive, "/dev/null/x")
