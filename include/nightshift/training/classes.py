"""Which classes a training learns: those that are declared, or those that it finds among its rows."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from nightshift.definition.label import DeclaredClasses
from nightshift.definition.model import ModelDefinition
from nightshift.definition.prediction import CLASS, probability_column
from nightshift.errors import TerminalError
from nightshift.registry.classes import LabelClasses

LISTED = 5  # classes in a message


def learn_classes(definition: ModelDefinition, labels: pa.ChunkedArray) -> LabelClasses | None:
    """The classes that a training on some labels learns; None if the label is a condition or a number.

    Raises:
        TerminalError: If a declared class has no row, an outcome is outside of the classes and nothing is declared for
            it, or fewer than two classes have enough rows.
    """
    if definition.prediction != CLASS:
        return None
    label, counts = definition.label, _count(labels)
    assert label.classes is not None
    if not label.classes.listed:
        names = _frequent(definition, label.classes, counts)
        rest = [label.other] if label.other is not None and counts.keys() - set(names) else []
        names = sorted({*names, *rest})
        _require_columns(definition, names)
    else:
        names = list(label.class_names)
        _require_rows(definition, names, counts)
    return LabelClasses(tuple(names), label.other if label.other in names else None)


def present_classes(definition: ModelDefinition, labels: pa.ChunkedArray) -> LabelClasses | None:
    """The classes that some settled labels have, in the order of the version's; None of another kind of label."""
    if definition.prediction != CLASS:
        return None
    label, present = definition.label, _count(labels)
    names = [name for name in label.class_names or sorted(present) if name in present]
    return LabelClasses(tuple(names), label.other if label.other in names else None)


def _count(labels: pa.ChunkedArray) -> Counter[str]:
    return Counter({entry["values"]: entry["counts"] for entry in pc.value_counts(labels).to_pylist()})


def _frequent(definition: ModelDefinition, declared: DeclaredClasses, counts: Counter[str]) -> list[str]:
    """The classes with enough rows, at most as many as are declared, the most frequent first."""
    if any(not name.strip() for name in counts):
        raise TerminalError(
            "an outcome is a text without a letter or digit, which cannot be a class",
            where=_place(definition),
            received=_listed(counts),
            fix="write an expression that is null where there is no class, such as nullif(trim(x), '')",
        )
    frequent = [name for name, rows in _by_frequency(counts) if rows >= declared.least_rows][: declared.most]
    if len(frequent) < 2:
        raise TerminalError(
            f"fewer than two classes have {declared.least_rows} labelled rows",
            where=_place(definition),
            received=_listed(counts),
            allowed="two classes or more",
            fix="build more history, or lower `rows`",
        )
    return frequent


def _require_rows(definition: ModelDefinition, names: list[str], counts: Counter[str]) -> None:
    if absent := [name for name in names if not counts[name]]:
        raise TerminalError(
            "a declared class has no row in the training period",
            where=_place(definition),
            received=", ".join(absent[:LISTED]),
            allowed=_listed(counts),
            fix="remove it, build more history, or let the training find the classes: `classes: {most: 10}`",
        )
    outside = Counter({name: rows for name, rows in counts.items() if name not in names})
    if outside and definition.label.refuses_other:
        raise TerminalError(
            f"{outside.total()} of {counts.total()} outcomes are none of the declared classes",
            where=_place(definition),
            received=_listed(outside),
            allowed=", ".join(names),
            fix="add them, or declare `other:`: a class that counts them, or null so that they count nowhere",
        )


def _require_columns(definition: ModelDefinition, names: list[str]) -> None:
    """Requires that the classes that were found have columns of different names."""
    columns = Counter(map(probability_column, names))
    if alike := [name for name in names if columns[probability_column(name)] > 1]:
        raise TerminalError(
            "two classes would have columns of the same name",
            where=_place(definition),
            received=", ".join(alike[:LISTED]),
            allowed="names that differ in letters or digits",
            fix="give them one spelling in the label's expression",
        )


def _by_frequency(counts: Counter[str]) -> list[tuple[str, int]]:
    """The classes with their rows, the most frequent first; of equal counts the first by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _listed(counts: Counter[str]) -> str:
    """The most frequent classes with their rows."""
    ordered = _by_frequency(counts)
    more = ["…"] if len(ordered) > LISTED else []
    return ", ".join([*(f"{name} ({rows:,})" for name, rows in ordered[:LISTED]), *more])


def _place(definition: ModelDefinition) -> str:
    return f"{definition.folder / 'model.yaml'}: label.classes"
