"""Compiles expectations to objects of Great Expectations."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from nightshift.definition.checks import CustomExpectation
from nightshift.definition.load import EXPECTATIONS
from nightshift.definition.model import ModelDefinition
from nightshift.errors import TerminalError, shown
from nightshift.quality.expectation import MIX, ExpectationSpec

NUMBER = "nightshift"  # the key of an expectation's number in its `meta`


def compile_expectation(gx: Any, expectation: ExpectationSpec, folder: str = "", number: int = 0) -> Any:
    """Compiles an expectation to an object of Great Expectations, with its severity and number in its `meta`.

    Raises:
        TerminalError: If there is no such class, or it does not take the arguments.
    """
    kind = expectation_class(gx, expectation.kind, folder)
    meta: dict[str, Any] = {NUMBER: number, "severity": expectation.severity}
    if expectation.note:
        meta["notes"] = expectation.note
    arguments = dict(expectation.arguments)
    try:
        return kind(**arguments, meta=meta)
    except (TypeError, ValueError) as error:
        raise TerminalError(
            f"the expectation does not take these arguments: {_reason(error)}",
            where=f"{expectation.kind} of {expectation.subject}",
            received=arguments,
            fix="see its documentation",
        ) from None


def expectation_class(gx: Any, name: str, folder: str = "") -> Any:
    """The class of an expectation: of the definition's `expectations.py`, of Great Expectations, or by its dotted path.

    Raises:
        TerminalError: If there is none.
    """
    if name == MIX:
        from nightshift.quality.mix import ExpectColumnMixToBeNear

        return ExpectColumnMixToBeNear
    custom = custom_expectations(folder).get(name) if folder else None
    if custom is not None:
        return custom
    module, _, last = name.rpartition(".")
    problem = ""
    try:
        candidate = getattr(importlib.import_module(module) if module else gx.expectations, last, None)
    except Exception as error:  # a user's module can raise anything
        candidate, problem = None, f": {_reason(error)}"
    if _is_expectation(candidate):
        return candidate
    raise TerminalError(
        f"no such expectation{problem}",
        where=f"{folder or 'definition'}: expectations",
        received=name,
        allowed="a class of Great Expectations, of expectations.py beside model.yaml or a shared source, or a path",
        fix="correct its name",
    )


@lru_cache(maxsize=16)
def custom_expectations(folder: str) -> dict[str, Any]:
    """The expectations that a definition brings along in `expectations.py`, beside its file.

    Raises:
        TerminalError: If the file cannot be imported, or takes the name of another expectation.
    """
    file = Path(folder) / EXPECTATIONS
    if not file.exists():
        return {}
    spec = importlib.util.spec_from_file_location(f"nightshift_expectations_{file.parent.name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where the types in its classes' annotations are looked up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file can raise anything
        raise TerminalError(f"cannot be imported: {_reason(error)}", where=str(file), fix="correct it") from None
    classes = {name: kind for name, kind in vars(module).items() if _is_expectation(kind)}
    # Great Expectations registers classes by name: a second class of a name would replace the first everywhere.
    taken = [name for name, kind in classes.items() if kind.__module__ == spec.name and _is_taken(name)]
    if taken:
        raise TerminalError("is the name of another expectation", where=str(file), received=taken[0], fix="rename it")
    return classes


def expectation_problems(definition: ModelDefinition) -> Iterator[TerminalError]:
    """The problems of the expectations in a definition: an unknown class, or arguments that it does not take.

    Great Expectations is imported only if there are any, since that takes seconds.
    """
    file, quality = definition.folder / "model.yaml", definition.quality
    declared: list[tuple[Path, str, tuple[CustomExpectation, ...]]] = [
        (
            definition.file_of(name),
            "expectations" if name in definition.shared else f"sources.{name}.expectations",
            source.expectations,
        )
        for name, source in definition.sources.items()
    ]
    declared.append((file, "quality.features.expectations", quality.features.expectations))
    declared.append((file, "quality.scores.expectations", quality.scores.expectations))
    for file, path, expectations in declared:
        for custom in expectations:
            try:
                spec = ExpectationSpec(custom.type, custom.type, tuple(custom.arguments.items()))
                compile_expectation(great_expectations(), spec, str(file.parent))
            except TerminalError as error:
                yield TerminalError(
                    error.problem,
                    where=f"{file}: {path}",
                    received=error.received,
                    allowed=error.allowed,
                    fix=error.fix,
                )


def great_expectations() -> Any:
    """Imports Great Expectations, without its own log lines."""
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations as gx

    for name in [name for name in logging.root.manager.loggerDict if name.startswith("great_expectations")]:
        logger = logging.getLogger(name)
        if logger.level != logging.WARNING:  # to set a level clears what every logger of the process has cached
            logger.setLevel(logging.WARNING)
    return gx


def _is_taken(name: str) -> bool:
    from great_expectations import expectations

    return name == MIX or hasattr(expectations, name)


def _is_expectation(kind: Any) -> bool:
    from great_expectations.expectations.expectation import Expectation as Base

    return isinstance(kind, type) and issubclass(kind, Base)


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shown(" ".join(lines[:3]) or type(error).__name__)
