"""Sources that another model declares: `of: <model>` stands for its declaration, which is written once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nightshift.definition.problem import Problem

OF = "of"

Tree = Mapping[str, Any]


def owners(tree: Tree) -> dict[str, str]:
    """The model that declares each shared source of a definition, by the source's name."""
    sources = tree.get("sources")
    if not isinstance(sources, dict):
        return {}
    return {name: str(source[OF]) for name, source in sources.items() if isinstance(source, dict) and OF in source}


def with_shared_sources(tree: dict[str, Any], owner_trees: Mapping[str, Tree]) -> dict[str, Any]:
    """A definition's tree with the declarations of its shared sources in place of their owners' names.

    Args:
        tree: The definition as plain values.
        owner_trees: The definitions that declare its shared sources, by model.
    """
    declarations = {}
    for name, model in owners(tree).items():
        declarations[name] = dict(owner_trees[model]["sources"][name])
        # A source without a time zone has that of its owner's schedule.
        zone = owner_trees[model].get("schedule", {}).get("timezone")
        if zone != tree.get("schedule", {}).get("timezone"):
            declarations[name].setdefault("timezone", zone)
    return tree | {"sources": tree["sources"] | declarations} if declarations else tree


def shared_source_problems(tree: Tree, owner_trees: Mapping[str, Tree]) -> Iterator[Problem]:
    """Problems of the owners that a definition names, and of keys next to `of`."""
    for name, model in owners(tree).items():
        path = ("sources", name)
        declared = owner_trees.get(model, {}).get("sources", {})
        if extra := [key for key in tree["sources"][name] if key != OF]:
            yield Problem((*path, extra[0]), "not allowed together with `of`", extra[0], OF, f"declare it in {model}")
        elif model == tree.get("name"):
            yield Problem((*path, OF), "is this model itself", model, "another model's name", "declare it here")
        elif model not in owner_trees:
            yield Problem((*path, OF), "no such model", model, "another model's name", "name the one that declares it")
        elif name not in declared:
            yield Problem((*path, OF), f"{model} has no source '{name}'", model, list(declared), "name one of these")
        elif OF in declared[name]:
            owner = declared[name][OF]
            yield Problem(
                (*path, OF), f"{model} takes this source from another model", model, owner, f"write `of: {owner}`"
            )


def shared_source_files(shared: Mapping[str, str], owner_trees: Mapping[str, Tree]) -> dict[str, bytes]:
    """The declarations that a definition uses of other models, one file per model, so that it can be loaded again."""
    files = {}
    for model in sorted(set(shared.values())):
        zone = owner_trees[model].get("schedule", {}).get("timezone")
        used = {name: owner_trees[model]["sources"][name] for name, owner in shared.items() if owner == model}
        content = {"schedule": {"timezone": zone}, "sources": used}
        files[model] = json.dumps(content, indent=1, sort_keys=True, default=str).encode()
    return files
