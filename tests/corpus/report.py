"""By hand: `python -m corpus.report table` prints what becomes of every fault, `… year` checks all nights of 2013.

From `tests/`, with `include/` on the path.
"""

from __future__ import annotations

import logging
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from corpus.catalogue import FAULTS
from corpus.fault import Fault, Harmless
from corpus.not_caught import NOT_CAUGHT
from corpus.scene import MODEL, Run, Scene, replay, tightened
from nightshift.project import Project
from nightshift.settings import PROJECT, Settings

YEAR = date(2013, 1, 1), date(2013, 12, 31)
LONGEST = 220


def table(folder: Path) -> Iterator[str]:
    """Fault, check and message of every fault, as it ends today, as lines of Markdown."""
    scene = Scene(folder)
    yield "| fault | source | what becomes of it | check | message |"
    yield "|---|---|---|---|---|"
    for fault in sorted(FAULTS.values(), key=lambda fault: (fault.source, fault.name)):
        scene.reset()
        scene.land(fault)
        run = scene.run(fault)
        scene.land_good(fault)
        cells = (fault.description.rstrip("."), fault.source, *_told(scene, fault, run))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def year(folder: Path) -> Iterator[str]:
    """The verdict of every real night of 2013, with what is usual in force; the alarms, then the counts."""
    project = Project(MODEL, Settings(home=PROJECT, var=folder / "var", models_folder=tightened(folder / "models")))
    counts: Counter[str] = Counter()
    for night, run in replay(project, *YEAR):
        counts[run.verdict] += 1
        if run.verdict != "pass":
            yield f"{night} {run.verdict}: {'; '.join(run.warnings) or run.says}"
    yield f"{counts.total()} nights: {', '.join(f'{count} {verdict}' for verdict, count in counts.most_common())}"


def _told(scene: Scene, fault: Fault, run: Run) -> tuple[str, str, str]:
    if run.ended == "ingest":
        return "refused at ingest", "reading the file as declared", _short(run.says)
    if run.ended == "audit":
        return "refused at audit", _checks(scene, fault, run), _short(run.says)
    if run.warnings:
        warnings = "; ".join(run.warnings)
        aside = re.search(r"\d+ rows set aside", warnings)
        return aside[0] if aside else "published with a warning", _checks(scene, fault, run), _short(warnings)
    if isinstance(fault.outcome, Harmless):
        return "harmless: the same values", "", ""
    return "**not caught**", NOT_CAUGHT[fault.name], ""


def _checks(scene: Scene, fault: Fault, run: Run) -> str:
    """The checks that do not hold, each by its column and in words; rules and references by their names."""
    source, found = scene.project().definition.sources[fault.source], []
    for check in run.checks[:3]:
        subject, _, statistic = check.split(": ", 1)[1].rpartition(", ")
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", statistic.removeprefix("Expect")).lower()
        named = "rule" if subject in source.rules else "reference" if subject in source.references else ""
        found.append(f"{named} {subject}" if named else f"{subject}: {words}")
    return "; ".join(found)


def _short(message: str) -> str:
    """A message as it would stand in a log, without what is the same in all of them."""
    text = re.sub(r"file://\S*/var/landing", "…", message).split("; fix: ")[0]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def main() -> None:
    """Prints one of the reports."""
    reports = {"table": table, "year": year}
    if len(sys.argv) != 2 or sys.argv[1] not in reports:
        sys.exit(f"one of {', '.join(reports)}")
    # Metadata that an earlier run had removed already.
    logging.getLogger("pyiceberg").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        for line in reports[sys.argv[1]](Path(folder)):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
