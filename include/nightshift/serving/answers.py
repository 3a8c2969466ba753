"""The answers to requests for scores: of features, and of observations whose features are computed first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Any

import pyarrow as pa
import pydantic_core

from nightshift.errors import NotYetAvailable, TerminalError, TransientError
from nightshift.serving.feature_rows import CheckedRows, check_features
from nightshift.serving.kept_rows import ScoredRequest
from nightshift.serving.night_state import NightState
from nightshift.serving.refusals import RequestRefusal, listed_errors
from nightshift.serving.request_body import SentRows
from nightshift.serving.scoring import ScoredRows, score_rows
from nightshift.serving.served_model import RegisteredModel, ServedModel
from nightshift.serving.served_version import ServedVersion
from nightshift.serving.telemetry import Telemetry


@dataclass(frozen=True)
class Asked:
    """How rows are to be answered.

    Attributes:
        caller: Who asks; empty if anybody may.
        partial: Whether rows without error are scored though others have one.
        night: The night as of which features are computed; the newest if None.
        with_features: Whether they are answered, too.
    """

    caller: str = ""
    partial: bool = False
    night: date | None = None
    with_features: bool = False


def answer_features(model: ServedModel, sent: SentRows, asked: Asked, telemetry: Telemetry) -> bytes:
    """The answer to rows of features, as JSON.

    Raises:
        RequestRefusal: If there is no version that answers, or the rows are not its features.
    """
    version = _version(model)
    rows = check_features(sent, version.package.encoder.types, model.ignored, model.fixes)
    scored = _score(model, version, rows, sent.count, asked, telemetry, "invocations", None)
    return _as_json(model, version, scored, asked, {})


def answer_observations(model: RegisteredModel, sent: SentRows, asked: Asked, telemetry: Telemetry) -> bytes:
    """The answer to observations, as JSON.

    Raises:
        RequestRefusal: If there is no version that answers, its features cannot be computed without Spark or as of that
            night, or the rows do not satisfy the contract.
    """
    version, state = _version(model), _state(model, asked.night)
    if version.learned_otherwise:
        fix = "train a version by the current definition, or send rows of features to /invocations"
        error = TerminalError(version.learned_otherwise, where=model.name, fix=fix)
        raise RequestRefusal(HTTPStatus.CONFLICT, error)
    rows = model.observed.features(sent, state)
    scored = _score(model, version, rows, sent.count, asked, telemetry, "score", state.night)
    origin: dict[str, Any] = {"night": state.night, "cutoff": state.cutoff, "snapshots": state.snapshots}
    if asked.with_features:
        computed = rows.table.select(list(model.project.definition.feature_types)).to_pylist()
        by_row = dict(zip(rows.positions.tolist(), computed, strict=True))
        origin["features"] = [by_row.get(row) for row in range(sent.count)]
    return _as_json(model, version, scored, asked, origin)


def _score(
    model: ServedModel,
    version: ServedVersion,
    rows: CheckedRows,
    count: int,
    asked: Asked,
    telemetry: Telemetry,
    route: str,
    night: date | None,
) -> ScoredRows:
    """Scores checked rows; they are counted, and kept if they are to be."""
    try:
        scored = score_rows(version, rows, count, partial=asked.partial)
    except RequestRefusal:
        telemetry.count_rows(model.name, 0, count)
        raise
    refused = len({error.row for error in scored.errors})
    telemetry.count_rows(model.name, count - refused, refused)
    if model.keeper is not None and refused < count:
        places = [place for place, row in enumerate(rows.positions) if scored.predictions[row] is not None]
        positions = rows.positions[places].tolist()
        answers = [row for row in (scored.predictions[position] for position in positions) if row is not None]
        table = rows.table.take(pa.array(places, pa.int64()))
        model.keeper.add(ScoredRequest(route, asked.caller, night, version, table, positions, answers))
    return scored


def _as_json(
    model: ServedModel, version: ServedVersion, scored: ScoredRows, asked: Asked, origin: dict[str, Any]
) -> bytes:
    answer = {"predictions": scored.predictions, "model": model.name, "version": version.number, **origin}
    return pydantic_core.to_json(answer | (listed_errors(scored.errors) if asked.partial else {}))


def _state(model: RegisteredModel, night: date | None) -> NightState:
    try:
        return model.observed.state(night)
    except NotYetAvailable as error:
        raise RequestRefusal(HTTPStatus.NOT_FOUND, error) from None
    except TerminalError as error:
        raise RequestRefusal(HTTPStatus.CONFLICT, error) from None


def _version(model: ServedModel) -> ServedVersion:
    if model.champion is not None:
        return model.champion
    raise RequestRefusal(HTTPStatus.SERVICE_UNAVAILABLE, TransientError(model.problem, where=model.name))
