"""Exports a version: as an ONNX graph that was compared with it over a night, or as an archive of its package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from nightshift.errors import NotYetAvailable, TerminalError, first_line
from nightshift.export.formats import ExportFormat
from nightshift.export.refusal import INSTEAD, not_exported
from nightshift.lake.files import as_uri, write_bytes
from nightshift.lake.read import published_dates
from nightshift.lake.tables import features_table, ignored_columns
from nightshift.project import Project
from nightshift.registry.archive import write_archive
from nightshift.registry.encoder import Matrix
from nightshift.registry.package import ModelPackage
from nightshift.registry.store import Version
from nightshift.service_errors import explain, explain_at

TOLERANCE = 1e-6  # of a probability, and of a number in relation to its size, if that is above 1


@dataclass(frozen=True)
class GraphComparison:
    """How a graph's scores compare with the version's.

    Attributes:
        night: The night whose features were scored by both.
        rows: The number of its rows.
        difference: The largest difference of a score.
    """

    night: date
    rows: int
    difference: float


@dataclass(frozen=True)
class ExportedVersion:
    """What was exported.

    Attributes:
        version: The version's number.
        digest: The digest of its package, or that of its archive.
        files: Where it was written.
        comparison: With the version; None of an archive, which has the version's own files.
    """

    version: int
    digest: str
    files: tuple[str, ...]
    comparison: GraphComparison | None = None


def export_version(
    project: Project, form: ExportFormat, folder: str, number: int | None = None, night: date | None = None
) -> ExportedVersion:
    """Exports a version.

    Args:
        project: The model.
        form: As what.
        folder: Where to, a path or a URI.
        number: The version; None: the champion.
        night: The night to compare a graph over; None: the newest whose features are published.

    Raises:
        TerminalError: If there is no such version or night, a part of it cannot be exported, or the graph gives other
            scores than the version.
    """
    version = project.champions.require_champion() if number is None else project.registry.version(number)
    name = project.definition.name
    if form is ExportFormat.archive:
        if night is not None:
            problem, where = "an archive has the version's own files: there is nothing to compare", "--night"
            raise TerminalError(problem, where=where, received=str(night), fix=f"leave {where} out")
        archive, digest = _as_archive(project, version)
        return ExportedVersion(version.number, digest, _write(folder, {f"{name}-{version.number}.tar.gz": archive}))
    package = project.registry.package(version.run_id, version.digest)
    onnx = _as_onnx(package, name, version)
    comparison = _compare(project, package, onnx, night)
    if form is ExportFormat.onnx:
        files = {f"{name}-{version.number}.onnx": onnx}
    else:
        from nightshift.export.triton import triton_repository

        files = triton_repository(package, name, version.number, onnx, as_uri(folder))
    return ExportedVersion(version.number, version.digest, _write(folder, files), comparison)


def _as_archive(project: Project, version: Version) -> tuple[bytes, str]:
    definition, files = project.definition, project.registry.package_files(version.run_id, version.digest)
    return write_archive(files, definition.name, definition.description, version, ignored_columns(definition))


def _as_onnx(package: ModelPackage, name: str, version: Version) -> bytes:
    try:
        from nightshift.export.onnx_model import onnx_model
    except ImportError as error:
        raise _not_installed(error) from None
    try:
        return onnx_model(package, name, version.number, version.digest)
    except RecursionError:
        raise not_exported("the estimator", "a tree of hundreds of levels") from None


def _not_installed(error: ImportError) -> TerminalError:
    return TerminalError(
        f"the package {error.name} is not installed",
        where="nightshift export",
        fix="install the dependency group `export` of pyproject.toml; in the image, by PACKAGE_GROUPS=export",
    )


def _compare(project: Project, package: ModelPackage, onnx: bytes, night: date | None) -> GraphComparison:
    try:
        from nightshift.export.comparison import OnnxScorer
    except ImportError as error:
        raise _not_installed(error) from None
    name, night = project.definition.name, _newest_night(project) if night is None else night
    rows = project.read(features_table(project.definition), night, night, columns=tuple(package.encoder.types))
    if not rows.num_rows:
        fix = f"nightshift build {name}, or name another --night"
        raise TerminalError("the night has no published features", where=name, received=str(night), fix=fix)
    expected = package.score(rows)
    try:
        scores = OnnxScorer(onnx).score(rows)
    except Exception as error:  # onnxruntime has no class for what it refuses
        raise TerminalError(f"onnxruntime refuses the graph: {first_line(error)}", where=name, fix=INSTEAD) from None
    return GraphComparison(night, rows.num_rows, largest_difference(scores, expected))


def _newest_night(project: Project) -> date:
    try:
        return max(published_dates(project.lake, features_table(project.definition)))
    except (NotYetAvailable, ValueError):
        name = project.definition.name
        fix = f"nightshift build {name}: the graph is compared with the version over a night"
        raise TerminalError("no night has published features", where=name, fix=fix) from None


def largest_difference(scores: Matrix, expected: Matrix) -> float:
    """The largest difference between scores, in relation to the size of those expected, if that is above 1.

    Raises:
        TerminalError: If it is above what rounding explains, or one has a score where the other has none.
    """
    equal = (scores == expected) | (np.isnan(scores) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        difference = np.abs(scores - expected) / np.maximum(1.0, np.abs(expected))
    largest = float(np.max(np.where(equal, 0.0, difference), initial=0.0))
    if not largest <= TOLERANCE:
        raise TerminalError(
            "the graph gives other scores than the version, and was not written",
            received=f"a difference of {largest:.3g}",
            allowed=f"at most {TOLERANCE:g}",
            fix=INSTEAD,
        )
    return largest


def _write(folder: str, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Writes files, each whole or not at all, in their order."""
    uris = {f"{as_uri(folder)}/{name}": content for name, content in files.items()}
    for uri, content in uris.items():
        try:
            write_bytes(uri, content)
        except OSError as error:
            if explain(error):
                raise explain_at(uri, error) from None
            fix = "name a folder that this user may write to"
            raise TerminalError(f"the file cannot be written: {first_line(error)}", where=uri, fix=fix) from None
    return tuple(uris)
