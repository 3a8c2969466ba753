"""Sources that another model declares: `of: <model>` stands for its words, so that they are written once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nightshift.definition.problem import Problem

OF = "of"

Tree = Mapping[str, Any]


def owners(tree: Tree) -> dict[str, str]:
    """The model that declares each source that is declared elsewhere, by the source's name."""
    sources = tree.get("sources")
    if not isinstance(sources, dict):
        return {}
    return {name: str(one[OF]) for name, one in sources.items() if isinstance(one, dict) and OF in one}


def with_sources(tree: dict[str, Any], others: Mapping[str, Tree]) -> dict[str, Any]:
    """A definition's tree with the declarations of its sources in the place of the models they are of.

    Args:
        tree: The definition as plain values.
        others: Those of the models it names.
    """
    found = {}
    for name, model in owners(tree).items():
        found[name] = dict(others[model]["sources"][name])
        # Where it declares no time zone its own model's schedule is meant.
        zone = others[model].get("schedule", {}).get("timezone")
        if zone != tree.get("schedule", {}).get("timezone"):
            found[name].setdefault("timezone", zone)
    return tree | {"sources": tree["sources"] | found} if found else tree


def unknown_sources(tree: Tree, others: Mapping[str, Tree]) -> Iterator[Problem]:
    """What is wrong with the models that are named, and with what is written beside them."""
    for name, model in owners(tree).items():
        path = ("sources", name)
        declared = others.get(model, {}).get("sources", {})
        if more := [key for key in tree["sources"][name] if key != OF]:
            yield Problem((*path, more[0]), "not allowed beside `of`", more[0], OF, f"declare it in {model}")
        elif model == tree.get("name"):
            yield Problem((*path, OF), "that is this model itself", model, "another model's name", "declare it here")
        elif model not in others:
            yield Problem((*path, OF), "no such model", model, "another model's name", "name the one that declares it")
        elif name not in declared:
            yield Problem((*path, OF), f"{model} has no source '{name}'", model, list(declared), "name one of these")
        elif OF in declared[name]:
            owner = declared[name][OF]
            yield Problem((*path, OF), f"{model} does not declare it itself", model, owner, f"write `of: {owner}`")


def kept_files(shared: Mapping[str, str], others: Mapping[str, Tree]) -> dict[str, bytes]:
    """What a definition uses of other models', as files by the model's name; with them it can be read again."""
    kept = {}
    for model in sorted(set(shared.values())):
        zone = others[model].get("schedule", {}).get("timezone")
        used = {name: others[model]["sources"][name] for name, owner in shared.items() if owner == model}
        told = {"schedule": {"timezone": zone}, "sources": used}
        kept[model] = json.dumps(told, indent=1, sort_keys=True, default=str).encode()
    return kept
