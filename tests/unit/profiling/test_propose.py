"""Proposed contracts: a proposal loads as a source, passes the profiled files, and finds faults in other files."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from nightshift.definition.draft import Draft, find_draft
from nightshift.definition.model import ModelDefinition
from nightshift.definition.rules import RULES
from nightshift.definition.source import Source
from nightshift.definition.yaml_tree import plain
from nightshift.errors import TerminalError
from nightshift.lake.landed_files import read_landed
from nightshift.lake.landed_parts import landing_file
from nightshift.lake.source_partitions import landed_dates
from nightshift.lake.tables import Layer, TableSpec
from nightshift.profiling.proposal import Proposal
from nightshift.quality.audit import Audit, audit_table
from nightshift.quality.context import AuditContext
from nightshift.quality.contract import source_contract
from nightshift.quality.distributions import column_distributions
from nightshift.quality.usual import comparable_dates
from unit.examples import examples
from unit.profiling.shop import DAYS, FIRST, PATH, Change, Row, land, lines_of, orders, proposed, write

pytestmark = pytest.mark.slow

LAST = FIRST + timedelta(days=DAYS - 1)
NEXT = LAST + timedelta(days=1)
Damage = Callable[[list[Row]], None]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("shop")
    land(landing)
    return landing


@pytest.fixture(scope="module")
def proposal(shop: Path) -> Proposal:
    return proposed(shop)


@pytest.fixture(scope="module")
def history(shop: Path, proposal: Proposal) -> History:
    return History.of(shop, source_of(proposal))


def source_of(proposal: Proposal) -> Source:
    """The source as it is read from a definition into which the proposal was pasted."""
    [(name, values)] = plain(YAML().load(proposal.to_yaml()))["sources"].items()
    source = Source.model_validate(values)
    assert (name, source) == (proposal.name, Source.model_validate(proposal.values))
    return source


def spec_of(source: Source) -> TableSpec:
    types = {name: str(column.type) for name, column in source.columns.items()}
    return TableSpec(Layer.RAW, "orders", {"source_date": "date", **types}, "source_date", ())


def read(landing: Path, source: Source, day: date) -> pa.Table:
    return read_landed(landing_file(str(landing), "orders", source, day), source, spec_of(source))[0]


@dataclass(frozen=True)
class History:
    """The published rows of each date before a night, with the types that a source declares."""

    source: Source
    rows: dict[date, pa.Table]

    @classmethod
    def of(cls, landing: Path, source: Source) -> History:
        return cls(source, {day: read(landing, source, day) for day in landed_dates(str(landing), source)})

    def audit(self, day: date, rows: pa.Table | None = None) -> Audit:
        """The audit of a date by the night: of the given rows, or of the published ones."""
        source, spec = self.source, spec_of(self.source)
        before = {other_day: rows for other_day, rows in self.rows.items() if other_day < day}
        usual = [name for name, column in source.columns.items() if column.usual is not None]
        weekdays = comparable_dates(list(before), day, 8)
        distributions = {
            other_day: column_distributions(before[other_day], spec, usual)[other_day] for other_day in weekdays
        }
        context = AuditContext(
            day=day,
            row_counts={other_day: rows.num_rows for other_day, rows in before.items()},
            distributions={name: [distributions[other_day][name] for other_day in weekdays] for name in usual},
        )
        return audit_table(source_contract("orders", source, context), self.rows[day] if rows is None else rows)


def problems(model: ModelDefinition, source: Source) -> list[object]:
    """The problems of a definition that has this source as well."""
    definition = model.model_copy(update={"sources": {**model.sources, "orders": source}})
    return [problem for rule in RULES for problem in rule(definition)]


# ---- the proposed entries


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("order_id", {"type": "integer", "required": True}),
        (
            "token",
            {
                "type": "string",
                "required": True,
                "pattern": "[a-z0-9]{8}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{12}",
                "severity": "quarantine",
            },
        ),
        ("shop", {"type": "string", "required": True, "values": ["BOS", "NYC", "SFO"]}),
        ("zip", {"type": "string", "required": True, "pattern": "[0-9]{5}", "severity": "quarantine"}),
        ("sku", {"type": "string", "required": True, "pattern": "[A-Z]{3}-[0-9]{5}", "severity": "quarantine"}),
        ("amount", {"type": "number", "required": True, "min": 0, "max": 1100, "severity": "quarantine"}),
        ("share", {"type": "number", "required": True, "min": 0, "max": 1, "severity": "quarantine"}),
        ("items", {"type": "integer", "required": True, "min": 1, "max": 3, "severity": "quarantine"}),
        ("paid", {"type": "boolean", "required": True}),
        ("ordered_at", {"type": "timestamp", "required": True}),
        ("due", {"type": "date", "required": True}),
        ("packed", {"type": "integer", "required": True, "min": 0, "max": 2400, "severity": "quarantine"}),
        ("month", {"type": "integer", "required": True}),
    ],
)
def test_a_column_gets_the_checks_that_its_values_suggest(
    proposal: Proposal, column: str, expected: dict[str, Any]
) -> None:
    entries = {key: value for key, value in proposal.values["columns"][column].items() if key != "usual"}
    assert entries == expected


def test_the_usual_range_is_proposed_for_informative_statistics(proposal: Proposal) -> None:
    usual = {name: column.get("usual") for name, column in proposal.values["columns"].items()}
    assert usual["shop"] == {"of": ["mix"], "deviations": 15}
    assert usual["amount"] == {"deviations": 10}
    assert usual["items"] == "warn"
    assert usual["sku"] == {"of": ["distinct"]}
    assert [usual[name] for name in ("order_id", "token", "month", "ordered_at")] == [None] * 4


def test_the_source_gets_a_key_rows_freshness_and_rules_of_time(proposal: Proposal) -> None:
    source = proposal.values
    assert source["key"] == ["order_id"]
    assert source["rows"] == {"min": 50, "max": 400, "usual": {"min": 0.7, "max": 1.3}}
    assert source["freshness"] == {"newest": "timezone('UTC', ordered_at)", "within": "3h"}
    assert source["quarantine"] == {"share": 0.03}
    assert {name: rule["expression"] for name, rule in source["rules"].items()} == {
        "hour_has_sixty_minutes": "packed % 100 < 60",
        "ordered_at_is_of_the_date": "cast(timezone('UTC', ordered_at) as date) = source_date",
        "shipped_at_is_near_the_date": "cast(timezone('UTC', shipped_at) as date) between source_date and "
        "source_date + 4",
        "due_is_near_the_date": "due between source_date and source_date + 6",
        "month_is_the_month": "month = month(source_date)",
        "ordered_at_before_shipped_at": "ordered_at <= shipped_at",
    }
    assert {rule["severity"] for rule in source["rules"].values()} == {"quarantine"}


def test_each_line_has_its_evidence_as_a_comment(proposal: Proposal) -> None:
    text = proposal.to_yaml()
    assert text.startswith("# Proposed by nightshift profile-source from shop, orders: 50 files, 2024-03-01 to")
    assert list(lines_of(proposal, "shop")) == [
        "type: string",
        "required: true  # 0 of 6,411 missing",
        "values: [BOS, NYC, SFO]  # 3 values on all 50 dates",
        "usual: {of: [mix], deviations: 15}  # 0 of 29 dates outside the range of the same weekdays before",
    ]
    assert list(lines_of(proposal, "amount"))[2:4] == [
        "min: 0  # minimum 0.42, never negative",
        "max: 1100  # maximum 701.61",
    ]
    assert "min: 50  # minimum 115" in text
    assert "key: [order_id]  # unique within each date, in 6,411 rows; " in text
    assert "type: string  # digits such as '06820', which a number would not keep" in text


# ---- the proposal as a contract


def test_the_proposal_is_a_valid_source_of_a_definition(proposal: Proposal, tiny: ModelDefinition) -> None:
    assert problems(tiny, source_of(proposal)) == []


def test_the_profiled_files_pass_the_proposal(history: History) -> None:
    for day in (FIRST, FIRST + timedelta(days=30), LAST - timedelta(days=1), LAST):
        audited = history.audit(day)
        assert [check.detail for check in audited.verdict.checks if not check.passed] == []
        assert audited.broken_rows == ()


def test_the_next_days_pass(history: History, tmp_path: Path) -> None:
    for day in (NEXT, NEXT + timedelta(days=4)):
        write(tmp_path, day, orders(day))
        assert history.audit(day, read(tmp_path, history.source, day)).verdict.outcome == "pass"


def set_all(column: str, value: object, first: int = 1000) -> Damage:
    def damage(rows: list[Row]) -> None:
        for row in rows[:first]:
            row[column] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "outcome", "detail"),
    [
        pytest.param(set_all("shop", "LAX", 1), "fail", "shop has 1 value outside the 3 allowed", id="unseen code"),
        pytest.param(set_all("order_id", None, 1), "fail", "order_id is missing in 1 row", id="no key"),
        pytest.param(set_all("order_id", 7, 2), "fail", "order_id is the same in 2 rows", id="key twice"),
        pytest.param(set_all("amount", -5, 1), "warn", "amount has 1 value outside 0 to 1100", id="out of range"),
        pytest.param(set_all("amount", 9999), "fail", "values outside 0 to 1100", id="all out of range"),
        pytest.param(set_all("sku", "sku-1", 2), "warn", "sku has 2 values not of the form", id="another form"),
        pytest.param(set_all("note", None), "warn", "note", id="nothing but missing"),
        pytest.param(set_all("items", 1), "warn", "items", id="always the same"),
        pytest.param(set_all("packed", 1275, 1), "warn", "hour_has_sixty_minutes", id="no time of a day"),
        pytest.param(set_all("due", "2023-01-01", 1), "warn", "due_is_near_the_date", id="a year ago"),
        pytest.param(set_all("month", 12, 1), "warn", "month_is_the_month", id="another month"),
        pytest.param(lambda rows: rows.__delitem__(slice(60, None)), "fail", "rows", id="half of the rows"),
        pytest.param(
            set_all("ordered_at", f"{NEXT}T06:00:00"), "fail", "the newest row is 18.0 h before", id="nothing after six"
        ),
    ],
)
def test_the_proposed_contract_finds_faults(
    history: History, tmp_path: Path, damage: Damage, outcome: str, detail: str
) -> None:
    rows = orders(NEXT)
    damage(rows)
    write(tmp_path, NEXT, rows)
    verdict = history.audit(NEXT, read(tmp_path, history.source, NEXT)).verdict
    assert verdict.outcome == outcome
    assert any(detail in check.detail for check in verdict.checks if not check.passed), verdict.summary()


# ---- the evidence of the files


def columns(landing: Path, **changes: Callable[[date, int], object]) -> Proposal:
    """The proposal for orders with further columns, computed from the date and the order's number."""

    def change(row: Row, day: date) -> Row:
        return {
            "order_id": row["order_id"],
            **{name: value_of(day, row["order_id"]) for name, value_of in changes.items()},
        }

    land(landing, change)
    return proposed(landing)


def test_a_set_that_grows_is_not_closed(tmp_path: Path) -> None:
    late = FIRST + timedelta(days=40)
    proposal = columns(tmp_path, shop=lambda day, n: ["BOS", "NYC", "LAX" if day >= late else "BOS"][n % 3])
    column = proposal.values["columns"]["shop"]
    assert "values" not in column
    assert "3 distinct values; 1 first on or after 2024-04-03, so other values are likely" in proposal.to_yaml()


def test_a_rare_value_leaves_a_set_open(tmp_path: Path) -> None:
    proposal = columns(tmp_path, shop=lambda day, n: "LAX" if day.day == 3 and n % 50 == 0 else ["BOS", "NYC"][n % 2])
    assert "values" not in proposal.values["columns"]["shop"]
    assert "'LAX' on 2 of 50 dates, so other values are possible" in proposal.to_yaml()
    assert proposal.values["columns"]["shop"]["usual"] == "warn"


def test_outliers_are_quarantined_and_lie_beyond_the_bounds(tmp_path: Path) -> None:
    def wind(day: date, n: int) -> float:
        return 1048.5 if (day, n) == (FIRST + timedelta(days=20), 20_003) else n * 37 % 100 / 4

    proposal = columns(tmp_path, wind=wind)
    column = proposal.values["columns"]["wind"]
    assert column["max"] == 32 and column["severity"] == "quarantine"
    assert "1,048.5 in 1 row of 2024-03-21 would be set aside" in proposal.to_yaml()
    verdict = History.of(tmp_path, source_of(proposal)).audit(FIRST + timedelta(days=20))
    assert verdict.verdict.outcome == "warn" and len(verdict.broken_rows) == 1


def test_a_code_for_missing_values_is_named_and_passes(tmp_path: Path) -> None:
    proposal = columns(tmp_path, load=lambda day, n: -999 if n % 5 == 0 else 20 + n * 7 % 31)
    assert proposal.values["columns"]["load"]["min"] <= -999
    assert "min: -999  # -999 in 1,295 rows of 50 dates: a code for missing values?" in proposal.to_yaml()


def test_temperatures_get_room_for_other_seasons(tmp_path: Path) -> None:
    """The means of the dates range from 20 to 60, and the values of a date are within 5 of its mean."""
    luck = random.Random(0)
    level = {FIRST + timedelta(days=n): luck.uniform(20, 60) for n in range(DAYS)}
    proposal = columns(tmp_path, temperature=lambda day, n: round(level[day] + n % 100 / 10 - 5, 1))
    column = proposal.values["columns"]["temperature"]
    assert column["min"] <= -20 and column["max"] >= 100
    assert ", values vary by date and less than a year was read" in proposal.to_yaml()


def test_a_growing_column_has_no_bound_on_that_side(tmp_path: Path) -> None:
    proposal = columns(tmp_path, odometer=lambda day, n: n // 3 + n % 7)
    column = proposal.values["columns"]["odometer"]
    assert "max" not in column
    assert "a new maximum on most dates, so no bound would last" in proposal.to_yaml()


def test_identifiers_and_dates_in_digits_have_no_bounds(tmp_path: Path) -> None:
    proposal = columns(
        tmp_path,
        customer_id=lambda day, n: n * 7919 % 1000,
        born=lambda day, n: 19500101 + n % 50 * 10000 + n % 28,
        batch=lambda day, n: f"{day:%Y%m%d}",
    )
    for name in ("customer_id", "born", "batch"):
        assert not {"min", "max", "values", "usual"} & set(proposal.values["columns"][name]), name
    assert proposal.values["rules"]["batch_is_the_date"]["expression"].startswith("batch = cast(strftime(source_date")
    assert History.of(tmp_path, source_of(proposal)).audit(LAST).verdict.outcome == "pass"


def test_infinite_numbers_have_no_bounds_and_pass(tmp_path: Path) -> None:
    proposal = columns(tmp_path, ratio=lambda day, n: "inf" if n % 90 == 0 else n % 11 / 4)
    assert set(proposal.values["columns"]["ratio"]) == {"type", "required"}
    assert "values are infinite: no bounds" in proposal.to_yaml()
    assert History.of(tmp_path, source_of(proposal)).audit(LAST).verdict.outcome == "pass"


def test_a_type_that_one_file_breaks_is_named_with_the_value(tmp_path: Path) -> None:
    proposal = columns(tmp_path, delay=lambda day, n: "late" if (day, n) == (LAST, 49_017) else n % 11)
    assert proposal.values["columns"]["delay"]["type"] == "string"
    assert f"integer on 49 of 50 dates, but 'late' on {LAST}" in proposal.to_yaml()


def test_integers_that_some_files_write_with_a_point_stay_integers(tmp_path: Path) -> None:
    proposal = columns(
        tmp_path,
        some=lambda day, n: f"{n % 9}.0" if day.day % 2 else n % 9,
        all=lambda day, n: f"{n % 9}.0",
        id=lambda day, n: f"{n % 9:03d}",
    )
    kinds = {name: column["type"] for name, column in proposal.values["columns"].items()}
    assert kinds == {"order_id": "integer", "some": "integer", "all": "number", "id": "string"}


def test_missing_values_are_recognised_in_every_spelling(tmp_path: Path) -> None:
    spelt = ["", "NA", "N/A", "null", "NaN"]
    proposal = columns(tmp_path, load=lambda day, n: spelt[n % 10] if n % 10 < 5 else n % 7, none=lambda day, n: "NA")
    assert proposal.values["columns"]["load"]["type"] == "integer"
    assert "required" not in proposal.values["columns"]["load"]
    assert proposal.values["columns"]["none"] == {"type": "string"}
    assert "type: string  # no value in any file" in proposal.to_yaml()


def test_unreadable_files_are_named_and_skipped(tmp_path: Path) -> None:
    land(tmp_path, days=12)
    broken, narrow = FIRST + timedelta(days=3), FIRST + timedelta(days=5)
    (tmp_path / PATH.replace("{date}", str(broken))).write_text("a,b\n1,2,3\n")
    write(tmp_path, narrow, [{**{k: v for k, v in row.items() if k != "sku"}} for row in orders(narrow)])
    proposal = proposed(tmp_path)
    assert proposal.heading.startswith("Proposed by nightshift profile-source from shop, orders: 10 files")
    assert "sku" in proposal.values["columns"]
    [unreadable, incomplete] = proposal.notes
    assert f"{broken}.csv: cannot be read: CSV parse error" in unreadable
    assert f"{narrow}.csv: column 'sku' is missing, which 10 of 11 files have" in incomplete


def test_columns_that_cannot_be_declared_are_named_and_omitted(tmp_path: Path) -> None:
    added = {"2nd": 1, "label": 1}
    land(tmp_path, lambda row, day: {"sku": row["sku"], **added} | ({"new": 1} if day.month == 4 else {}))
    proposal = proposed(tmp_path)
    assert not {"2nd", "label", "new"} & set(proposal.values["columns"])
    assert proposal.notes == (
        "column '2nd' is left out: not a name: a lower-case letter, then lower-case letters, digits and _; "
        "`from` can give it another one",
        "column 'label' is left out: a reserved name; `from` can give it another one",
        f"column 'new' is left out: in only 19 of 50 files, the last {LAST}",
    )


def test_files_that_repeat_make_repeats_allowed(tmp_path: Path) -> None:
    land(tmp_path, days=10)
    write(tmp_path, FIRST + timedelta(days=8), orders(FIRST + timedelta(days=2)))
    proposal = proposed(tmp_path)
    assert proposal.values["repeats"] == "allow"
    assert "repeats: allow  # 1 file repeats an earlier file, the first on 2024-03-09" in proposal.to_yaml()


def test_a_short_history_supports_few_checks(tmp_path: Path) -> None:
    land(tmp_path, days=3)
    proposal = proposed(tmp_path)
    assert not any({"usual", "values"} & set(column) for column in proposal.values["columns"].values())
    assert set(proposal.values["rows"]) == {"min", "max"}
    assert "freshness" not in proposal.values
    assert "3 distinct values; on 3 dates, so other values are possible" in proposal.to_yaml()


def test_a_file_a_week_has_no_weekdays_to_compare(tmp_path: Path) -> None:
    for week in range(8):
        write(tmp_path, FIRST + timedelta(days=7 * week), orders(FIRST + timedelta(days=7 * week)))
    proposal = proposed(tmp_path)
    assert "cadence" not in proposal.values and "write `cadence: irregular`" in " ".join(proposal.notes)
    assert not any("usual" in column for column in proposal.values["columns"].values())
    assert set(proposal.values["rows"]) == {"min", "max"}


def test_compressed_and_parquet_files_give_the_same_proposal(tmp_path: Path) -> None:
    land(tmp_path, days=8)
    expected = proposed(tmp_path)
    source = source_of(expected)
    for day in landed_dates(str(tmp_path), source):
        content = (tmp_path / PATH.replace("{date}", str(day))).read_bytes()
        (tmp_path / f"{day}.csv.gz").write_bytes(gzip.compress(content))
        pq.write_table(read(tmp_path, source, day).drop(["source_date"]), tmp_path / f"{day}.parquet")
    for ending in ("csv.gz", "parquet"):
        proposal = proposed(tmp_path, path=f"{{date}}.{ending}")
        assert proposal.values | {"path": PATH} == expected.values


def test_files_without_rows_count_as_dates(tmp_path: Path) -> None:
    land(tmp_path, days=10)
    file = tmp_path / PATH.replace("{date}", str(FIRST + timedelta(days=4)))
    file.write_text(file.read_text().splitlines()[0] + "\n")
    proposal = proposed(tmp_path)
    assert proposal.values["rows"]["min"] == 0
    assert "min: 0  # minimum 0, no row on 1 of 10 dates" in proposal.to_yaml()


def test_empty_files_alone_give_a_source(tmp_path: Path, tiny: ModelDefinition) -> None:
    (tmp_path / "orders").mkdir()
    for day in (FIRST, NEXT):
        (tmp_path / "orders" / f"{day}.csv").write_text("a,b\n")
    proposal = proposed(tmp_path)
    assert problems(tiny, source_of(proposal)) == []
    assert proposal.values["columns"] == {"a": {"type": "string"}, "b": {"type": "string"}}
    assert proposal.values["rows"] == {"min": 0}


def test_missing_and_unreadable_files_raise_one_line(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match=r"orders/\{date\}\.csv: no file has landed; fix: land files there"):
        proposed(tmp_path)
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / f"{FIRST}.csv").write_text("")
    with pytest.raises(TerminalError, match=r"none of 1 files can be read; the first error: .*cannot be read"):
        proposed(tmp_path)
    (tmp_path / "orders" / f"{FIRST}.csv").write_text("2nd\n1\n")
    with pytest.raises(TerminalError, match=r"no column can be declared; fix: not a name"):
        proposed(tmp_path)


# ---- declared entries


def only(*columns: str) -> Change:
    """Leaves the named columns of the orders."""
    return lambda row, day: {name: row[name] for name in columns}


def draft(models: Path, source: str) -> Draft:
    """An incomplete definition with a source."""
    folder = models / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"    {line}" for line in source.strip().splitlines())
    (folder / "model.yaml").write_text(f"name: shop\nsources:\n  orders:\n{lines}\n")
    return find_draft(models, "shop", "orders")


def test_declared_entries_stay_where_the_files_pass_them(tmp_path: Path, tiny: ModelDefinition) -> None:
    land(tmp_path, only("order_id", "shop", "amount", "items", "ordered_at", "shipped_at"))
    proposal = proposed(
        tmp_path,
        draft(
            tmp_path,
            """
            description: What was ordered.
            path: orders/{date}.csv
            available: {after: 30h}
            restates: 2d
            key: [shop, order_id]
            rows: {min: 1, max: 5000}
            columns:
              amount: {type: number, max: 1000000, description: Dollars}
              shop: {type: string, pattern: "[A-Z]+"}
              items: {type: integer, required: false, min: 0, severity: warn}
            rules:
              shipped_later: {expression: shipped_at > ordered_at, severity: warn}
            """.replace("            ", ""),
        ),
    )
    entries = proposal.values
    assert (entries["description"], entries["available"], entries["restates"]) == (
        "What was ordered.",
        {"after": "30h"},
        "2d",
    )
    assert entries["key"] == ["shop", "order_id"]
    assert (entries["rows"]["min"], entries["rows"]["max"]) == (1, 5000)
    assert list(entries["columns"])[:4] == ["amount", "shop", "items", "order_id"]
    amount, shops, items = (entries["columns"][name] for name in ("amount", "shop", "items"))
    assert (amount["description"], amount["max"], amount["min"]) == ("Dollars", 1000000, 0)
    assert "severity" not in amount  # a declared check keeps the default severity
    assert shops["pattern"] == "[A-Z]+" and "values" not in shops
    assert (items["required"], items["min"], items["max"], items["severity"]) == (False, 0, 3, "warn")
    text = proposal.to_yaml()
    assert "max: 1000000  # maximum 701.61; the files suggest 1100" in text
    assert "max: 5000  # maximum 155; the files suggest 400" in text
    assert "severity: warn}  # 0 of 6,411 rows break it" in text
    assert problems(tiny, source_of(proposal)) == []


def test_columns_that_are_looked_up_stay_with_their_look_up(tmp_path: Path) -> None:
    """Also one that the files have by the same name."""
    land(tmp_path, only("order_id", "sku", "note"), days=10)
    declared = draft(
        tmp_path,
        """
            path: orders/{date}.csv
            lookups: {article: {source: articles, key: [sku]}}
            columns:
              sku: {type: string}
              maker: {type: string, required: true, lookup: article}
              note: {type: string, from: remark, lookup: article}
        """.replace("            ", ""),
    )
    proposal = proposed(tmp_path, declared)
    assert proposal.values["lookups"] == {"article": {"source": "articles", "key": ["sku"]}}
    columns = proposal.values["columns"]
    assert columns["maker"] == {"type": "string", "required": True, "lookup": "article"}
    assert columns["note"] == {"type": "string", "from": "remark", "lookup": "article"}
    assert "type: string  # of the look-up article" in proposal.to_yaml()


def test_declared_entries_that_the_files_break_are_replaced_with_evidence(
    tmp_path: Path, tiny: ModelDefinition
) -> None:
    land(tmp_path, only("order_id", "shop", "zip", "sku", "amount", "paid", "note"))
    proposal = proposed(
        tmp_path,
        draft(
            tmp_path,
            """
            path: orders/{date}.csv
            key: [shop]
            rows: {min: 200, usual: {min: 0.99, max: 1.01}}
            columns:
              amount: {type: integer, max: 100, usual: {deviations: 0.5}}
              note: {type: string, required: true, severity: fail}
              shop: {type: string, values: [BOS, NYC]}
              sku: {type: string, pattern: "[A-Z]+", description: Article}
              zip: {type: integer, min: 1000, severity: warn}
              gone: {type: number, description: Not there}
              paid: {type: boolean}
            rules:
              cheap: {expression: amount < 100}
              odd: {expression: no_such_column > 1}
            """.replace("            ", ""),
        ),
    )
    text = proposal.to_yaml()
    assert proposal.values["key"] == ["order_id"] and "; declared shop, which is not unique" in text
    assert "min: 50  # minimum 115; declared 200" in text
    assert "dates; declared {min: 0.99, max: 1.01}, 20 of 29 dates were outside" in text
    entries = proposal.values["columns"]
    assert entries["amount"]["type"] == "number" and entries["amount"]["max"] == 1100
    assert "declared integer, but '" in text and "declared max: 100, which 343 of 6,411 rows break" in text
    assert "usual: {deviations: 0.5}  # 27 of 29 dates outside the range" in text
    assert "required" not in entries["note"] and "declared required: True, which 830 of 6,411 rows break" in text
    assert entries["shop"]["values"] == ["BOS", "NYC", "SFO"]
    assert entries["sku"]["pattern"] == "[A-Z]{3}-[0-9]{5}" and entries["sku"]["description"] == "Article"
    assert entries["zip"] == {"type": "integer", "required": True, "min": 1000, "severity": "warn"}
    assert "type: integer  # declared; the files suggest string: digits such as '06820'" in text
    assert "rows break it" in "\n".join(lines_of(proposal, "zip"))
    assert entries["gone"] == {"type": "number", "description": "Not there"}
    assert "type: number  # in none of the files" in text
    assert "cheap: {expression: amount < 100}  # 343 of 6,411 rows break it, the first on 2024-03-01" in text
    assert "odd: {expression: no_such_column > 1}  # the rule 'odd' cannot be evaluated" in text
    source = source_of(proposal).model_copy(update={"rules": {}})
    assert problems(tiny, source) == []


# ---- for any table

texts = st.one_of(
    st.sampled_from(["A", "B", "C"]),
    st.from_regex(r"[A-Z]{2}-[0-9]{2,4}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)
numbers = st.one_of(st.floats(allow_nan=False), st.floats(-100, 100), st.just(0.0))
instants = st.datetimes(datetime(2023, 12, 1), datetime(2024, 6, 1)).map(lambda at: at.replace(tzinfo=UTC))
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), texts),
    "code": (pa.string(), st.from_regex(r"[A-Z]{3}", fullmatch=True)),
    "whole": (pa.int64(), st.one_of(st.integers(0, 5), st.integers(-(2**63), 2**63 - 1))),
    "small": (pa.int64(), st.integers(0, 3)),
    "number": (pa.float64(), numbers),
    "flag": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates(date(2023, 12, 1), date(2024, 6, 1))),
    "at": (pa.timestamp("us", "UTC"), instants),
}


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    """Some days of a few columns."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4, unique=True))
    optional = draw(st.sets(st.sampled_from(kinds)))
    days = []
    for _ in range(draw(st.integers(1, 9))):
        rows = draw(st.integers(0, 12))
        columns = {}
        for name in kinds:
            kind, values = KINDS[name]
            values = st.none() | values if name in optional else values
            columns[name] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
        days.append(pa.table(columns))
    return days


@examples(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(days=tables())
def test_any_files_pass_their_own_proposal(tiny: ModelDefinition, days: list[pa.Table]) -> None:
    with TemporaryDirectory() as folder:
        landing = Path(folder)
        for number, rows in enumerate(days):
            pq.write_table(rows, landing / f"{FIRST + timedelta(days=number)}.parquet")
        source = source_of(proposed(landing, path="{date}.parquet"))
        assert problems(tiny, source) == []
        rows = pa.concat_tables(read(landing, source, day) for day in landed_dates(folder, source))
        contract = source_contract("orders", source, AuditContext(days=len(days)))
        audited = audit_table(contract, rows)
        assert [check.detail for check in audited.verdict.checks if not check.passed] == []
