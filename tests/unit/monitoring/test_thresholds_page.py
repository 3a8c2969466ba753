from __future__ import annotations

import re

from nightshift.monitoring.thresholds_page import render_thresholds, threshold_rows
from unit.monitoring.worlds import FEATURES, baseline_of, reference_of

SIZES = (100, 10_000)


def test_every_statistic_of_every_column_has_a_row_with_a_threshold_for_each_size() -> None:
    baseline = baseline_of(reference_of(60, 200))
    rows = threshold_rows(baseline, SIZES)
    assert {row[0] for row in rows} == {*FEATURES, "scores", "night"}
    assert len(rows) == 6 * 21 + 1
    of_psi = next(row for row in rows if row[:2] == ("number_0", "psi"))
    assert float(str(of_psi[2])) == float(f"{baseline.thresholds.bound('number_0', 'psi', 100):.4g}")
    assert float(str(of_psi[2])) > float(str(of_psi[3]))


def test_the_page_plots_the_days_of_the_reference_and_loads_nothing() -> None:
    reference = reference_of(60, 200)
    page = render_thresholds("tiny: the thresholds of version 1", reference, baseline_of(reference), SIZES)
    assert page.count("<figure") == len(FEATURES) + 1
    assert "1 per 90 nights, for all columns and statistics together" in page
    assert "2024-01-01 to 2024-02-29, 60 days" in page
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)
