"""The trainings that nights requested, read from decisions, events and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nightshift.lake.tables import scores_table
from nightshift.project import Project
from nightshift.stages.register import promote
from nightshift.status import gate_refusals, retrainings
from nightshift.types import Measurement
from unit.registry.trainings import NOTE, trained
from unit.tables import day, publish_rows


def score(project: Project, *numbers: int, version: int) -> None:
    """Publishes one score of a version for each night."""
    columns = {"score_date": "date", "machine": "string", "model_version": "integer"}
    spec = replace(scores_table(project.definition), columns=columns)
    for number in numbers:
        publish_rows(project.lake, spec, {day(number): [("a", version)]})


def decide(project: Project, number: int, action: str) -> None:
    rows = [
        Measurement("night", "retrain", verdict=action, detail=f"reason of night {number}"),
        Measurement("drift", "breaches", 2.0, 2.0, 3, "warn", "evidence"),
    ]
    project.record("decision", day(number), rows, "test")


def sentences(project: Project) -> Sequence[str]:
    return [retraining.sentence for retraining in retrainings(project, day(1), day(31))]


def test_a_request_is_followed_to_the_nights_that_its_version_scored(project: Project) -> None:
    promote(project, trained(project, 3), NOTE, "first__2024-01-03")
    score(project, 9, 10, version=1)
    decide(project, 9, "nothing")
    decide(project, 10, "request")
    requested = "2024-01-10: retraining requested (reason of night 10)"
    assert sentences(project) == [f"{requested}; no version is trained yet"]
    promote(project, trained(project, 10), NOTE, "retrain__2024-01-10")
    assert sentences(project) == [f"{requested}; version 2 promoted"]
    score(project, 11, 12, version=2)
    assert sentences(project) == [f"{requested}; version 2 promoted; nights from 2024-01-11 are scored by it"]
    assert gate_refusals(project) == {}


def test_a_refused_training_says_what_the_gate_found(project: Project) -> None:
    promote(project, trained(project, 3), NOTE, "first__2024-01-03")
    decide(project, 10, "request")
    project.champions.record_refusal(
        trained(project, 10, "refused").run_id, "roc_auc 0.55, bound ≥ 0.600", "retrain__2024-01-10"
    )
    assert sentences(project) == [
        "2024-01-10: retraining requested (reason of night 10); "
        "the gate refused the model (roc_auc 0.55, bound ≥ 0.600)"
    ]


def test_a_challenger_is_told_apart_from_a_champion(project: Project) -> None:
    promote(project, trained(project, 3), NOTE, "first__2024-01-03")
    decide(project, 10, "request")
    project.challengers.register_challenger(trained(project, 10).run_id, NOTE, "retrain__2024-01-10")
    assert sentences(project) == ["2024-01-10: retraining requested (reason of night 10); version 2 is the challenger"]
