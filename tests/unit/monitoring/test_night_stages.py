"""What the loop keeps of scored nights: estimates, outcomes, values, decisions; whatever is late, lost or doubled."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nightshift.definition.retrain import Retrain
from nightshift.definition.value import Value
from nightshift.errors import TerminalError
from nightshift.lake import key_shares
from nightshift.lake.files import local_path
from nightshift.lake.publish import publish
from nightshift.lake.staging import stage_arrow
from nightshift.lake.tables import TableSpec, raw_table, scores_table, shadow_table
from nightshift.monitoring.expected_performance import ExpectedPerformance, MetricBand, ProbabilityModel
from nightshift.project import Project
from nightshift.registry.calibration import Sigmoid
from nightshift.settings import Settings
from nightshift.stages.decide import decide, replay_policy, unmonitored_nights
from nightshift.stages.estimate import estimate_performance
from nightshift.stages.outcomes import expected_performance, measure_outcomes
from nightshift.stages.register import promote
from nightshift.stages.report import write_report
from nightshift.types import Measurement
from unit.registry.trainings import PROCESSES, trained
from unit.tables import day

MACHINES = [f"m{n:02d}" for n in range(40)]
NOTHING: Mapping[str, str | int] = {}
LOADS = np.linspace(0.01, 0.99, len(MACHINES))
EVERY_NIGHT = Retrain(nights=1, of_last=1, cooldown=timedelta(days=7))

# In the tiny model the failures of a day are final at the cutoff of the next.


def put(
    project: Project, spec: TableSpec, when: date, columns: dict[str, Any], split: Mapping[str, str | int] = NOTHING
) -> None:
    """Publishes rows of a date in place of those that are there."""
    rows = len(next(iter(columns.values())))
    given = {name: columns.get(name, pa.nulls(rows)) for name in spec.columns}
    given[spec.date_column] = pa.array([when] * rows, pa.date32())
    data = pa.table(given).cast(spec.schema)
    publish(project.lake, spec, stage_arrow(project.lake, spec, data, when, when, {}, split))


def score(project: Project, *numbers: int, version: int = 1, machines: int = len(MACHINES)) -> None:
    for number in numbers:
        put(
            project,
            scores_table(project.definition),
            day(number),
            {
                "machine": MACHINES[:machines],
                "score": LOADS[:machines],
                "model_version": [version] * machines,
                "features_snapshot": [1] * machines,
                "scored_at": [datetime(2024, 1, number, tzinfo=UTC)] * machines,
            },
        )
        put(project, raw_table(project.definition, "plan"), day(number), {"machine": MACHINES, "load": LOADS})


def fail(project: Project, number: int, failed: Any = None, machines: list[str] = MACHINES) -> None:
    """The outcomes of a day: those fail that have a load above a half, unless told otherwise."""
    outcomes = LOADS[: len(machines)] > 0.5 if failed is None else failed
    put(
        project,
        raw_table(project.definition, "failures"),
        day(number),
        {"machine": machines, "failed": pa.array(outcomes)},
    )


def drift(project: Project, number: int, verdict: str = "warn", version: int | None = 1) -> None:
    """What drift was measured on a night, as it is kept."""
    measured = [Measurement("night", "input_drift", 1.0, 0.5, 40, verdict, "told", version)]
    project.record("drift", day(number), measured, "test")


def version(project: Project, number: int) -> int:
    """A version that was trained as of a day, and its expected performance."""
    training = trained(project, number)
    expected = ExpectedPerformance(
        ProbabilityModel(Sigmoid(1, 0)), {"roc_auc": MetricBand(0.9, 0.8)}, {"roc_auc": MetricBand(0.89, 0.85)}
    )
    project.registry.log_expectation(training.run_id, expected.to_json())
    return promote(project, training, "passed").number


def test_a_damaged_expectation_of_a_version_is_one_line(project: Project) -> None:
    training = trained(project, 1)
    number = promote(project, training, "passed").number
    band = {"roc_auc": {"value": "high", "bound": None}}
    project.registry.log_expectation(training.run_id, {"realized": band, "estimated": {}, "calibration": {}})
    with pytest.raises(TerminalError) as caught:
        expected_performance(project, number)
    where = f"run {training.run_id}: expectation/expectation.json"
    problem = "the file is damaged: `realized` has a value of another type"
    assert str(caught.value) == f"{where}: {problem}; fix: restore the artifact store"


def rows(project: Project, monitor: str, number: int, subject: str = "night") -> dict[str, dict[str, Any]]:
    monitored = project.monitored(day(number), day(number), monitor)
    return {row["statistic"]: row for row in monitored if row["subject"] == subject}


def policy(project: Project, given: Retrain = EVERY_NIGHT, value: Value | None = None) -> Project:
    monitoring = project.definition.monitoring.model_copy(update={"retrain": given, "value": value})
    project.definition = project.definition.model_copy(update={"monitoring": monitoring})
    return project


@pytest.fixture(params=[None, 3, 1])
def night_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night is matched with its labels as a whole, and in shares of about so many of its keys, some of none."""
    if request.param:
        monkeypatch.setattr(key_shares, "AT_ONCE", request.param)


# ---- estimates


def test_a_night_is_estimated_by_the_version_that_scored_it(project: Project) -> None:
    version(project, 1)
    score(project, 5)
    estimate_performance(project, day(5), "test")
    estimates = rows(project, "estimate", 5)
    assert set(estimates) == {"roc_auc", "brier", "log_loss"}
    assert estimates["brier"]["value"] == pytest.approx(float(np.mean(LOADS * (1 - LOADS))))
    assert (estimates["roc_auc"]["threshold"], estimates["roc_auc"]["model_version"]) == (0.85, 1)
    assert rows(project, "estimate", 5, "reference")["roc_auc"]["value"] == 0.89


@pytest.mark.parametrize("missing", ["no scores", "no version", "no expected performance"])
def test_an_estimate_that_is_not_possible_is_unknown(project: Project, missing: str) -> None:
    if missing == "no expected performance":
        promote(project, trained(project, 1), "passed")
    if missing != "no scores":
        score(project, 5)
    estimate_performance(project, day(5), "test")
    assert {(row["value"], row["verdict"]) for row in rows(project, "estimate", 5).values()} == {(None, "unknown")}


def test_a_training_stores_the_expected_performance_of_its_holdout(project: Project) -> None:
    """Labels follow the scores, so the estimate is close to the realized value."""
    from nightshift.stages.train import FittedModel, expected_performance_of
    from nightshift.training.fit import fit
    from unit.training.machines import machines

    holdout = machines(seed=2)
    dates = pa.array([day(1 + n % 5) for n in range(holdout.num_rows)], pa.date32())
    package = fit(project.definition, machines(seed=1))
    judged = holdout.append_column("score_date", dates)
    scores = package.score(judged)
    fitted = FittedModel(package, machines(seed=1), judged, scores, judged["score_date"], scores)
    expected = expected_performance_of(project, fitted)
    assert expected.realized["roc_auc"].bound is not None
    assert expected.estimated["roc_auc"].value == pytest.approx(expected.realized["roc_auc"].value, abs=0.05)
    assert ExpectedPerformance.from_json(expected.to_json()) == expected


# ---- outcomes


def measured(project: Project, number: int) -> list[date]:
    return list(measure_outcomes(project, day(number), "test"))


def test_a_night_is_measured_once_its_labels_are_final_and_not_again_while_nothing_changed(project: Project) -> None:
    score(project, 1, 2, 3)
    fail(project, 1)
    fail(project, 2)
    assert measured(project, 3) == [day(1), day(2)]
    assert rows(project, "outcome", 2)["roc_auc"]["value"] == 1.0
    assert rows(project, "outcome", 3) == {}  # its labels are not due
    assert measured(project, 3) == []


def test_labels_that_are_late_are_missing_and_measured_when_they_arrive(
    project: Project,
) -> None:
    score(project, 1, 2)
    assert measured(project, 2) == [day(1)]
    missing = rows(project, "outcome", 1)
    assert (missing["label_coverage"]["value"], missing["label_coverage"]["verdict"]) == (0.0, "unknown")
    assert missing["roc_auc"]["verdict"] == "unknown"
    assert measured(project, 2) == []
    fail(project, 1, machines=MACHINES[:30])
    assert measured(project, 30) == [day(1), day(2)]  # however late
    assert rows(project, "outcome", 1)["label_coverage"]["value"] == 0.75


@pytest.mark.usefixtures("night_read")
def test_a_night_is_restated_when_its_labels_are_corrected_or_it_is_scored_again(project: Project) -> None:
    score(project, 1, 2)
    fail(project, 1)
    measured(project, 5)
    fail(project, 1, LOADS <= 0.5)
    assert measured(project, 5) == [day(1)]
    assert rows(project, "outcome", 1)["roc_auc"]["value"] == 0.0
    score(project, 1, version=2, machines=20)
    assert measured(project, 5) == [day(1)]
    assert rows(project, "outcome", 1)["roc_auc"]["verdict"] == "unknown"  # of the first twenty none failed
    assert rows(project, "outcome", 1)["roc_auc"]["model_version"] == 2


def test_nights_are_measured_again_by_another_label_and_another_value(project: Project) -> None:
    score(project, 1, 2)
    fail(project, 1)
    fail(project, 2)
    measured(project, 3)
    label = project.definition.label.model_copy(update={"expression": "not failed"})
    project.definition = project.definition.model_copy(update={"label": label})
    assert (measured(project, 3), measured(project, 3)) == ([day(1), day(2)], [])
    assert [rows(project, "outcome", number)["roc_auc"]["value"] for number in (1, 2)] == [0.0, 0.0]
    for worth, total in (("1", 40.0), ("2", 80.0)):
        policy(project, value=Value(decision="score >= 0.5", expression=worth, naive="true"))
        assert (measured(project, 3), measured(project, 3)) == ([day(1), day(2)], [])
        assert {rows(project, "value", number, "champion")["value"]["value"] for number in (1, 2)} == {total}


def test_a_night_that_was_not_measured_is_measured_later(project: Project) -> None:
    score(project, *range(1, 7))
    for number in range(1, 7):
        fail(project, number)
    assert measured(project, 2) == [day(1)]
    assert measured(project, 6) == [day(number) for number in range(2, 6)]


@pytest.mark.usefixtures("night_read")
def test_duplicate_labels_count_once_and_contradictions_are_counted(project: Project) -> None:
    score(project, 1)
    fail(project, 1, [*(LOADS > 0.5), True, True], [*MACHINES, MACHINES[0], MACHINES[-1]])
    measured(project, 2)
    coverage = rows(project, "outcome", 1)["label_coverage"]
    assert (coverage["value"], coverage["sample_size"]) == (39 / 40, 39)
    assert coverage["detail"] == "1 observations have two different labels and count as having none"


@pytest.mark.usefixtures("night_read")
def test_labels_without_an_observation_are_counted_and_many_are_a_warning(project: Project) -> None:
    score(project, 1, 2)
    fail(project, 1)
    fail(project, 2, [*(LOADS > 0.5), True, True], [*MACHINES, "x", "y"])
    measured(project, 3)
    kept = project.monitored(day(1), day(2), "outcome")
    unmatched = [row for row in kept if row["statistic"] == "labels_without_observation"]
    unmatched.sort(key=lambda row: row["score_date"])
    assert [(row["value"], row["verdict"]) for row in unmatched] == [(0.0, "pass"), (2.0, "warn")]
    assert unmatched[1]["detail"].startswith("2 of 42 labels of failures have no observation in plan")


@pytest.mark.parametrize("failed", [[None] * 40, [True] * 40])
def test_missing_labels_and_labels_of_one_class_do_not_fail(project: Project, failed: list[bool | None]) -> None:
    score(project, 1)
    fail(project, 1, pa.array(failed, pa.bool_()))
    assert measured(project, 2) == [day(1)]
    assert rows(project, "outcome", 1)["roc_auc"]["verdict"] == "unknown"


@pytest.mark.usefixtures("night_read")
def test_the_value_of_a_night_is_measured_for_champion_challenger_and_naive_policy(project: Project) -> None:
    value = Value(
        decision="score >= 0.5",
        expression="case when not decision then 0 when label then 1 else -1 end",
        naive="observation.load > 0.9",
    )
    policy(project, value=value)
    score(project, 1)
    fail(project, 1)
    put(
        project, shadow_table(project.definition), day(1),
        {"machine": MACHINES, "score": 1 - LOADS, "model_version": [3] * 40}, {"model_version": 3},
    )  # fmt: skip
    measured(project, 2)
    monitored = {
        row["subject"]: row for row in project.monitored(day(1), day(1), "value") if row["statistic"] == "value"
    }
    assert {subject: row["value"] for subject, row in monitored.items()} == {
        "champion": 20,
        "challenger 3": -20,
        "naive": 4,
    }
    fail(project, 1, LOADS > 2)
    measured(project, 2)
    monitored = {
        row["subject"]: row for row in project.monitored(day(1), day(1), "value") if row["statistic"] == "value"
    }
    assert {subject: row["value"] for subject, row in monitored.items()} == {
        "champion": -20,
        "challenger 3": -20,
        "naive": -4,
    }


def test_without_a_challenger_it_has_no_value(project: Project) -> None:
    policy(project, value=Value(decision="score >= 0.5", expression="cast(decision as integer)", naive="true"))
    score(project, 1)
    measured(project, 2)
    monitored = project.monitored(day(1), day(1), "value")
    assert {(row["subject"], row["verdict"]) for row in monitored} == {("champion", "unknown"), ("naive", "unknown")}


# ---- decisions


def test_a_night_without_any_measurement_is_decided_too(project: Project) -> None:
    assert decide(policy(project), day(5), "test").action == "nothing"
    assert rows(project, "decision", 5)["retrain"]["detail"] == "drift: unknown"


def test_a_decision_is_a_row_with_its_evidence(project: Project) -> None:
    version(project, 1)
    score(project, 5)
    drift(project, 5)
    assert decide(policy(project), day(5), "test").action == "request"
    monitored = {
        (row["subject"], row["statistic"]): row["verdict"] for row in project.monitored(day(5), day(5), "decision")
    }
    assert monitored == {("night", "retrain"): "request", ("drift", "breaches"): "warn"}


def test_a_request_stays_after_later_measurements(project: Project) -> None:
    """A doubled event, a cleared run: its training may have begun, and is a reason against a second one only."""
    version(project, 1)
    score(project, 5)
    drift(project, 5)
    decide(policy(project), day(5), "test")
    drift(project, 5, "pass")
    assert decide(project, day(5), "again", training_runs=True).action == "request"
    version(project, 5)
    assert decide(project, day(5), "again").action == "request"
    assert [row["run_id"] for row in project.monitored(day(5), day(5), "decision")] == ["test", "test"]


def test_a_night_without_a_request_is_decided_again(project: Project) -> None:
    version(project, 1)
    drift(project, 5, "pass")
    assert decide(policy(project), day(5), "test").action == "nothing"
    drift(project, 5)
    assert decide(project, day(5), "again", training_runs=True).action == "suppressed_by_running"
    assert decide(project, day(5), "again").action == "request"


def test_after_a_promotion_nothing_is_requested_until_the_new_version_breaches(project: Project) -> None:
    version(project, 1)
    policy(project, Retrain(nights=2, of_last=3, cooldown=timedelta(days=1)))
    requested = []
    for number in range(2, 9):
        drift(project, number, version=1 if number < 5 else 2)
        requested.append(decide(project, day(number), "test").action == "request")
        if number == 4:
            version(project, 4)
    assert requested == [False, True, True, False, True, True, True]


def test_a_late_run_of_an_old_night_does_not_request_a_training_for_a_replaced_version(project: Project) -> None:
    version(project, 1)
    version(project, 3)
    drift(project, 2)
    assert decide(policy(project), day(2), "test").action == "nothing"
    assert "version 2 is the champion by now" in rows(project, "decision", 2)["retrain"]["detail"]


def test_while_a_challenger_waits_another_training_would_take_its_place(project: Project) -> None:
    version(project, 1)
    training = trained(project, 3)
    project.challengers.register_challenger(training.run_id, "passed", "test")
    drift(project, 5)
    assert decide(policy(project), day(5), "test").action == "suppressed_by_running"
    reason = rows(project, "decision", 5)["retrain"]["detail"]
    assert reason.endswith("; version 2 waits to be promoted or declined")


def test_bad_data_suppresses_a_request(project: Project) -> None:
    version(project, 1)
    drift(project, 5)
    project.record("quality.raw", day(5), [Measurement("raw.plan: load", "not_null", verdict="warn")], "test")
    assert decide(policy(project), day(5), "test").action == "suppressed_by_quality"


def test_nights_whose_event_was_lost_are_decided_late_and_request_nothing(project: Project) -> None:
    version(project, 1)
    score(project, 3, 4, 5, 6)
    policy(project, Retrain(nights=2, of_last=3, cooldown=timedelta(days=7)))
    drift(project, 3, "pass")
    decide(project, day(3), "test")
    assert unmonitored_nights(project, day(6)) == [day(4), day(5)]
    for number in (4, 5, 6):  # as the task does that measures it
        drift(project, number)
    assert decide(project, day(6), "test").action == "request"
    for number in (4, 5):
        decision = rows(project, "decision", number)["retrain"]
        assert decision["verdict"] == "missed" and decision["detail"].startswith("decided late, with 2024-01-06; ")
    assert unmonitored_nights(project, day(6)) == []


def test_nights_that_were_scored_long_ago_are_not_monitored_later(project: Project) -> None:
    score(project, 1, 20)
    assert unmonitored_nights(project, day(25)) == [day(20)]


def test_a_history_is_decided_again_under_another_policy(project: Project) -> None:
    version(project, 1)
    for number, verdict in enumerate(["pass", "warn", "warn", "pass", "warn", "warn", "warn"], 2):
        drift(project, number, verdict)
    policy(project)
    requested = {
        nights: [
            decision.night.day
            for decision in replay_policy(project, day(2), day(8), given)
            if decision.action == "request"
        ]
        for nights in (1, 2, 3)
        if (given := Retrain(nights=nights, of_last=nights, cooldown=timedelta(days=3)))
    }
    assert requested == {1: [3, 6], 2: [4, 7], 3: [8]}
    assert project.monitored(day(1), day(31), "decision") == []
    assert [decision.action for decision in replay_policy(project, day(2), day(3))] == ["nothing", "request"]


def test_a_replay_does_not_use_labels_that_were_not_final(project: Project) -> None:
    version(project, 1)
    score(project, *range(1, 6))
    for number in range(1, 6):
        fail(project, number, LOADS <= 0.5 if number >= 3 else None)
    measured(project, 6)
    given = Retrain.model_validate(
        {"drift": None, "performance": {"worse": 0.1}, "nights": 1, "of_last": 1, "cooldown": "2d"}
    )
    requested = [
        decision.night
        for decision in replay_policy(policy(project), day(1), day(5), given)
        if decision.action == "request"
    ]
    assert requested == [day(4)]  # the night of the third turned out badly on the fourth


def test_a_night_has_a_page_of_its_measurements(project: Project) -> None:
    version(project, 1)
    score(project, 5)
    drift(project, 5)
    estimate_performance(project, day(5), "manual__a/b")
    decide(policy(project), day(5), "manual__a/b")
    written = Path(local_path(write_report(project, day(5), "manual__a/b"))).read_text()
    assert "tiny: the night of 2024-01-05" in written and "drift: the night breaches" in written
    assert Path(local_path(write_report(project, day(5), "manual__a/b"))).read_text() == written


# ---- killed in the middle

STEPS = ("estimate", "value", "outcome", "decision")


def monitor(settings: Settings, number: int, kill_after: str = "") -> None:
    """All of a night's monitoring but its drift, in a process that may die after it has kept something."""
    project = Project("tiny", settings)
    policy(project, value=Value(decision="score >= 0.5", expression="cast(decision as integer)", naive="true"))
    real = Project.record

    @wraps(real)
    def record(self: Project, table: str, *given: Any) -> None:
        real(self, table, *given)
        if table == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    Project.record = record  # type: ignore[method-assign]
    estimate_performance(project, day(number), "test")
    measure_outcomes(project, day(number), "test")
    decide(project, day(number), "test")


def in_process(settings: Settings, number: int, kill_after: str = "") -> int | None:
    process = PROCESSES.Process(target=monitor, args=(settings, number, kill_after))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("step", STEPS)
def test_a_second_worker_completes_the_steps_of_a_killed_one(project: Project, step: str) -> None:
    version(project, 1)
    score(project, 4, 5)
    fail(project, 4)
    drift(project, 5)
    assert in_process(project.settings, 5, step) == -signal.SIGKILL
    for _ in range(2):  # and a doubled event
        assert in_process(project.settings, 5) == 0
    monitored = project.monitored(day(1), day(9))
    keys = [(row["monitor"], row["score_date"], row["subject"], row["statistic"]) for row in monitored]
    assert len(keys) == len(set(keys))
    assert {(monitor, when) for monitor, when, *_ in keys} == {
        ("drift", day(5)), ("estimate", day(5)), ("outcome", day(4)), ("value", day(4)),
        ("decision", day(4)), ("decision", day(5)),
    }  # fmt: skip
    assert [row["score_date"] for row in monitored if row["verdict"] == "request"] == [day(5)]
