from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from nightshift.definition.load import load_definition
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.features.transform import _call

NIGHT = date(2024, 7, 5)
COMPUTED = """  computed:
    rank: {type: number, description: Rank by load, sources: [plan]}
    mood: {type: category, description: How it feels, sources: [plan, failures]}

training:"""

Run = Callable[..., pd.DataFrame]


@pytest.fixture
def definition(models: Path) -> ModelDefinition:
    """The tiny definition with two computed features, in New York."""
    file = models / "tiny" / "model.yaml"
    text = file.read_text().replace("\ntraining:", COMPUTED).replace("timezone: UTC", "timezone: America/New_York")
    file.write_text(text)
    (models / "tiny" / "features.py").write_text("")
    return load_definition(models / "tiny")


@pytest.fixture
def run(definition: ModelDefinition) -> Run:
    """Calls a `transform` whose body is given, on a group of rows as Spark hands it over."""

    def call(body: str, given: pd.DataFrame | None = None, night: date = NIGHT) -> pd.DataFrame:
        text = "def transform(frame, cutoff):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
        transform = _call(text, definition.folder / "features.py", definition)
        return transform((night,), frame() if given is None else given)

    return call


def frame() -> pd.DataFrame:
    """Three observations, with a column and a look-up that are no features; numbered as a group is."""
    rows = pd.DataFrame(
        {
            "score_date": [NIGHT] * 3,
            "machine": ["c", "a", "b"],
            "load": [0.3, 0.1, 0.2],
            "past.failed": [True, None, False],
            "busy": [0.3, 0.1, 0.2],
            "kind": ["c", "a", "b"],
            "machine_failures_3d": [0.5, 0.25, None],
        }
    )
    return rows.set_index(pd.Index([7, 3, 5]))


def of(frame: pd.DataFrame, column: str) -> dict[str, object]:
    """A column by machine."""
    assert frame["machine"].is_unique
    return dict(zip(frame["machine"], frame[column], strict=True))


def assert_declared(returned: pd.DataFrame) -> None:
    """The key and the declared features are as they were given."""
    actual, expected = (rows[COLUMNS[:5]].sort_values("machine", ignore_index=True) for rows in (returned, frame()))
    pd.testing.assert_frame_equal(actual, expected)


COLUMNS = ["score_date", "machine", "busy", "kind", "machine_failures_3d", "rank", "mood"]
RANK = "frame = frame.assign(rank=frame['load'].rank(), mood='fine')"


def refused(run: Run, body: str, definition: ModelDefinition) -> str:
    with pytest.raises(TerminalError) as caught:
        run(body)
    message = str(caught.value)
    assert str(definition.folder / "features.py") in message
    assert "fix: " in message
    return message


def test_only_declared_columns_are_added_after_the_declared_features(run: Run) -> None:
    returned = run(f"{RANK}\nreturn frame.assign(more=1)[sorted(frame.columns)]")
    assert list(returned.columns) == COLUMNS
    assert of(returned, "rank") == {"c": 3.0, "a": 1.0, "b": 2.0}
    assert of(returned, "mood") == dict.fromkeys("abc", "fine")
    assert_declared(returned)


def test_rows_are_numbered_from_zero_whatever_their_group_was(run: Run) -> None:
    returned = run("return frame.assign(rank=frame.index, mood=None)")
    assert sorted(returned["rank"]) == [0, 1, 2]


def test_the_order_in_which_spark_hands_rows_over_does_not_matter(run: Run) -> None:
    """A feature that follows from the order of rows, by a mistake or on purpose, is the same on every run."""
    for order in itertools.permutations(range(3)):
        returned = run("return frame.assign(rank=frame['load'].cumsum(), mood=None)", frame().iloc[list(order)])
        assert of(returned, "rank") == pytest.approx({"a": 0.1, "b": 0.3, "c": 0.6})


def test_every_column_of_the_observations_and_their_look_ups_is_given(run: Run) -> None:
    returned = run("return frame.assign(rank=frame['load'] * 2, mood=frame['past.failed'].map(str))")
    assert of(returned, "rank") == {"c": 0.6, "a": 0.2, "b": 0.4}
    assert of(returned, "mood") == {"c": "True", "a": "None", "b": "False"}


@pytest.mark.parametrize(("night", "hour"), [(date(2024, 7, 5), 10), (date(2024, 1, 5), 11)])
def test_the_cutoff_of_the_night_is_given(run: Run, night: date, hour: int) -> None:
    returned = run("return frame.assign(rank=cutoff.timestamp(), mood=cutoff.strftime('%H:%M'))", night=night)
    assert returned["mood"].tolist() == ["06:00"] * 3
    utc = datetime(night.year, night.month, night.day, hour, tzinfo=ZoneInfo("UTC"))
    assert returned["rank"].tolist() == [utc.timestamp()] * 3


def test_a_group_without_rows_stays_without_rows(run: Run) -> None:
    returned = run(f"{RANK}\nreturn frame", frame().iloc[:0])
    assert list(returned.columns) == COLUMNS
    assert len(returned) == 0


@pytest.mark.parametrize(
    "change",
    [
        "frame['busy'] = 9.0",
        "frame.loc[:, 'kind'] = 'z'",
        "frame.iloc[0, frame.columns.get_loc('machine_failures_3d')] = 9.0",
        "frame.drop(columns=['busy', 'load'], inplace=True)",
        "frame['busy'].to_numpy(copy=False)",
    ],
)
def test_transform_cannot_change_a_declared_feature(run: Run, change: str) -> None:
    given = frame()
    returned = run(f"{change}\nframe['rank'] = 1.0\nframe['mood'] = 'fine'\nreturn frame", given)
    assert_declared(returned)
    pd.testing.assert_frame_equal(given, frame())


@pytest.mark.parametrize("change", ["frame['machine'].str.upper()", "'a'", "None", "frame['machine'][::-1].tolist()"])
def test_a_key_that_is_changed_changes_no_observation(run: Run, change: str) -> None:
    try:
        returned = run(f"{RANK}\nframe['machine'] = {change}\nreturn frame")
    except TerminalError:
        return  # refused is as good
    assert of(returned, "rank") == {"c": 3.0, "a": 1.0, "b": 2.0}


def test_a_column_that_was_not_added_is_named(run: Run, definition: ModelDefinition) -> None:
    message = refused(run, "return frame.assign(rank=1)", definition)
    assert "did not add the declared column 'mood'" in message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("return frame.iloc[:2]", id="too few"),
        pytest.param("import pandas\nreturn pandas.concat([frame, frame])", id="too many"),
        pytest.param("import pandas\nreturn pandas.concat([frame, frame], ignore_index=True)", id="too many, numbered"),
        pytest.param("return frame.iloc[:0]", id="none"),
        pytest.param("return frame.sort_values('machine', ascending=False)", id="in another order"),
        pytest.param("return frame.set_index('machine')", id="numbered by something else"),
    ],
)
def test_rows_in_another_order_or_number_are_refused(run: Run, definition: ModelDefinition, body: str) -> None:
    message = refused(run, f"{RANK}\n{body}", definition)
    assert "rows in another order or number than the 3 it was given" in message


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("return frame.sort_values('machine', ascending=False).reset_index(drop=True)", id="sorted"),
        pytest.param(
            "return frame.sort_values('load', ascending=False, ignore_index=True)", id="sorted by another column"
        ),
        pytest.param("return frame.merge(frame[['machine']].iloc[::-1], how='right')", id="joined"),
        pytest.param("return frame.groupby('kind').head(9).iloc[::-1].reset_index(drop=True)", id="grouped"),
    ],
)
def test_reordered_rows_never_get_the_features_of_other_rows(run: Run, definition: ModelDefinition, body: str) -> None:
    """Numbered anew after a sort or a join, they look as if they were in order; their keys tell that they are not."""
    try:
        returned = run(f"{RANK}\n{body}")
    except TerminalError as error:
        assert "order" in str(error)
    else:
        assert of(returned, "rank") == {"c": 3.0, "a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    ("body", "kind"),
    [("pass", "NoneType"), ("return frame['load']", "Series"), ("return {'rank': 1, 'mood': 2}", "dict")],
)
def test_anything_but_a_frame_is_refused_by_its_name(
    run: Run, definition: ModelDefinition, body: str, kind: str
) -> None:
    assert f"returned a {kind} instead of a DataFrame" in refused(run, body, definition)


@pytest.mark.parametrize("text", ["", "def transfrom(frame, cutoff):\n    return frame\n", "transform = 17\n"])
def test_code_without_the_function_is_refused(definition: ModelDefinition, text: str) -> None:
    file = definition.folder / "features.py"
    with pytest.raises(TerminalError) as caught:
        _call(text, file, definition)((NIGHT,), frame())
    assert str(caught.value) == f"{file}: no function transform(frame, cutoff); fix: define it"


def test_the_code_is_the_text_that_travelled_and_not_the_file(definition: ModelDefinition) -> None:
    file = definition.folder / "features.py"
    file.write_text("raise RuntimeError('read')")
    for value in (1.0, 2.0):
        text = f"def transform(frame, cutoff):\n    return frame.assign(rank={value}, mood='x')\n"
        assert _call(text, file, definition)((NIGHT,), frame())["rank"].tolist() == [value] * 3
