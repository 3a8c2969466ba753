"""The page of a night."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING

from nightshift.errors import NightshiftError
from nightshift.loop.monitoring import Monitoring

if TYPE_CHECKING:
    from nightshift.monitoring.histograms import Histogram

DRAWN = 6  # features that moved most, of which histograms are drawn


class Reports(Monitoring):
    """What is written of a night for people."""

    def write_report(self, night: date, run_id: str) -> str:
        """Writes the page of a night beside those of its audits, and returns where."""
        from nightshift.lake.files import write_bytes
        from nightshift.monitoring.histograms import histograms
        from nightshift.monitoring.report import SHOWN, movers, render_night
        from nightshift.quality.docs import report_uri

        value = self.definition.monitoring.value
        rows = self.monitored(night - SHOWN, night)
        moved = [one["subject"] for one in movers(row for row in rows if row["score_date"] == night)][:DRAWN]
        drawn: list[Histogram] = []
        with suppress(NightshiftError):  # what the page is of is kept; it is worth having without its histograms
            drawn = histograms(moved, *self.profiled(night)) if moved else []
        page = render_night(self.definition.name, night, rows, value.unit if value else "", drawn)
        uri = report_uri(self.settings.quality_docs_uri, self.definition.name, run_id)
        write_bytes(uri, page.encode())
        return uri
