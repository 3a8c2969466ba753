"""Reads single keys of a text of YAML by libyaml, in a twentieth of the time of a tree with line numbers."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

DEEPEST = 32  # levels; libyaml's composing ends the process where its stack does
MERGE = "tag:yaml.org,2002:merge"  # of the key `<<`


def compose(text: str | bytes) -> yaml.Node | None:
    """The nodes of a text of YAML.

    Aliases are one node in several places, which is not to be walked through without a bound.

    Raises:
        yaml.YAMLError: If it is not valid, or nested too deeply.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):  # which needs no stack, as composing does
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {DEEPEST} levels")
    return yaml.compose(text, Loader=yaml.CSafeLoader)


def entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node]]:
    """The keys of a mapping that are words, each with the node of its value; none of any other node.

    Keys that the mapping merges by `<<` are its own, unless it has them itself.
    """
    names, nodes, mappings = set(), set(), [node]
    while mappings:
        mapping = mappings.pop()
        if not isinstance(mapping, yaml.MappingNode) or mapping in nodes:
            continue  # merged twice, it adds nothing; a chain of aliases may merge it a billion times
        nodes.add(mapping)
        merged: list[yaml.Node] = []
        for key, value in mapping.value:
            if key.tag == MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif isinstance(key, yaml.ScalarNode) and key.value not in names:
                names.add(key.value)
                yield str(key.value), value
        mappings += reversed(merged)  # of several, the first that has a key decides
