from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nightshift.definition.yaml_tree import plain
from nightshift.profiling.proposal import Proposal, ProposedSection, ProposedValue, inline_yaml

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.text("?!:#,[]{}&*|>'\"%@` -\n\\ab0.~", max_size=8)
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4))
)


def read(text: str) -> Any:
    return plain(YAML().load(text))


@given(value=values)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    assert read(f"k: {inline_yaml(value)}\nl: 1") == {"k": value, "l": 1}


@given(entries=st.dictionaries(texts.filter(bool), values, min_size=1, max_size=4), evidence=texts)
def test_a_proposal_is_read_as_it_was_written(entries: dict[str, Any], evidence: str) -> None:
    section = ProposedSection(
        {name: ProposedValue(value, evidence) for name, value in entries.items()}
        | {"nested": ProposedSection({"one": ProposedValue(1, evidence)}, evidence)}
    )
    proposal = Proposal("source", section, evidence)
    assert read(proposal.to_yaml()) == {"sources": {"source": proposal.values}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("arrivals/{date}.csv", "arrivals/{date}.csv"),
        ("[A-Z]{3}", '"[A-Z]{3}"'),
        (["EWR", "9E", "NO", "0515", "1e5", "a, b"], '[EWR, "9E", "NO", "0515", "1e5", "a, b"]'),
        ({"after": "-6h", "min": 0.5, "of": ["mix"]}, "{after: -6h, min: 0.5, of: [mix]}"),
        ("What became of it; nothing, if it never was.", "What became of it; nothing, if it never was."),
        ("", '""'),
    ],
)
def test_quotes_are_where_they_are_needed(value: Any, expected: str) -> None:
    assert inline_yaml(value) == expected


def test_long_texts_are_folded_and_long_parts_are_blocks() -> None:
    condition = " or ".join(f"column_{n} > {n}" for n in range(12))
    section = ProposedSection(
        {
            "rules": ProposedValue({"one": {"expression": condition, "severity": "warn"}}, "seen"),
            "expectations": ProposedValue([{"type": "Expect", "arguments": {"a": condition}}]),
            "rows": ProposedSection({"min": ProposedValue(1), "max": ProposedValue(2)}),
        }
    )
    text = Proposal("source", section, "Proposed").to_yaml()
    assert max(map(len, text.splitlines()[:10])) <= 115
    assert "    rules:  # seen\n      one:\n        expression: >-\n          column_0 > 0 or" in text
    assert "    expectations:\n      - {type: Expect, arguments: {" in text
    assert "    rows: {min: 1, max: 2}\n" in text
    assert read(text)["sources"]["source"]["rules"]["one"]["expression"] == condition


def test_a_mapping_of_two_lines_ends_them_between_entries() -> None:
    values = {f"value_{n}": [f"{n}d", f"{7 * n}d"] for n in range(1, 7)}
    section = ProposedSection({"sums": ProposedValue(values | {"description": "Sum of all, to date"}, "seen")})
    lines = Proposal("source", section, "Proposed").to_yaml().splitlines()
    first, last = [line for line in lines if "value_" in line]
    assert first.startswith("    sums: {value_1: [1d, 7d], ") and first.endswith("],") and len(first) <= 110
    assert last.startswith("      value_") and last.endswith('description: "Sum of all, to date"}  # seen')
    assert read("\n".join(lines))["sources"]["source"]["sums"] == values | {"description": "Sum of all, to date"}
