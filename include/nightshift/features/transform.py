"""The definition's own `transform(frame, cutoff)`: for features that declarations cannot express."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from nightshift.definition.calendar import cutoff
from nightshift.definition.features import COMPUTED
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError
from nightshift.lake.tables import features_table, spark_schema

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


def with_computed(definition: ModelDefinition, rows: DataFrame) -> DataFrame:
    """Adds the computed features, one call of `transform` a night.

    Args:
        definition: The definition, whose folder holds `features.py`.
        rows: Every observation with `score_date`, its columns, its look-ups' columns as `lookup_column` names them,
            and its declared features.
    """
    call = computed_features(definition)
    return rows.groupBy("score_date").applyInPandas(call, spark_schema(features_table(definition).columns))


def computed_features(definition: ModelDefinition) -> Callable[[tuple[date], pd.DataFrame], pd.DataFrame]:
    """What adds the computed features of a definition to the rows of a night, and sorts them by their key.

    It takes the night as a tuple of one, and the rows as `with_computed` does; it returns the columns of the feature
    table, and raises `TerminalError` if `transform` does not do as it should.
    """
    file = definition.folder / COMPUTED
    # The text is sent to the workers: they may not have the definition's folder.
    return _call(file.read_text(encoding="utf-8"), file, definition)


def lookup_column(lookup: str, column: str) -> str:
    """What a look-up's column is called within Spark, which takes a dot in a name for that of a field."""
    return f"{lookup}:{column}"


def _call(text: str, file: Path, definition: ModelDefinition) -> Callable[[tuple[date], pd.DataFrame], pd.DataFrame]:
    schedule, names = definition.schedule, tuple(definition.features.computed)
    key_columns = list(definition.observations.key)
    columns = ["score_date", *key_columns, *definition.feature_types]
    fields = {
        lookup_column(name, column): f"{name}.{column}"
        for name, lookup in definition.features.lookups.items()
        for column in definition.sources[lookup.source].types
    }

    def transformed(key: tuple[date], frame: pd.DataFrame) -> pd.DataFrame:
        # A fixed order of rows.
        passed = frame.rename(columns=fields).sort_values(key_columns, ignore_index=True)
        returned = _transform(text, str(file))(passed.copy(), cutoff(schedule, key[0]))
        for problem in _problems(returned, passed, key_columns, names):
            raise TerminalError(problem, where=f"{file}: transform", fix="return the frame with these columns added")
        return passed.assign(**{name: returned[name] for name in names})[columns]

    return transformed


def _problems(returned: object, passed: pd.DataFrame, key: list[str], names: tuple[str, ...]) -> Iterator[str]:
    import pandas as pd

    if not isinstance(returned, pd.DataFrame):
        yield f"returned a {type(returned).__name__} instead of a DataFrame"
        return
    # An index that was reset does not show the order of rows; the key does.
    keyed = set(key) <= set(returned.columns)
    if not returned.index.equals(passed.index) or not keyed or not returned[key].equals(passed[key]):
        yield f"returned {len(returned)} rows in another order or number than the {len(passed)} it was given"
    for name in names:
        if name not in returned.columns:
            yield f"did not add the declared column '{name}'"


@lru_cache(maxsize=4)
def _transform(text: str, file: str) -> Callable[[pd.DataFrame, datetime], pd.DataFrame]:
    module = ModuleType("features")
    exec(compile(text, file, "exec"), module.__dict__)  # the definition's own code, as reviewed with it
    if not callable(getattr(module, "transform", None)):
        raise TerminalError("no function transform(frame, cutoff)", where=file, fix="define it")
    return module.transform  # type: ignore[no-any-return]
