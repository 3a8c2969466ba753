"""A stage of a night of readings in a process of its own, as a task of Airflow is.

python -m bench.night_stage VAR STAGE, where a stage is one of STAGES, in their order.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

from bench.readings import NIGHT, readings_project
from bench.stage import say
from nightshift.project import Project
from nightshift.stages.audit import audit
from nightshift.stages.by_hand import stage
from nightshift.stages.decide import decide
from nightshift.stages.drift import drift
from nightshift.stages.estimate import estimate
from nightshift.stages.ingest import ingest_history
from nightshift.stages.outcomes import measure_outcomes
from nightshift.stages.publish import publish
from nightshift.stages.report import write_report

STAGES = (
    "ingest", "audit ingest", "publish ingest", "features", "audit features", "publish features", "score",
    "audit score", "publish score", "drift", "estimate", "outcomes", "decide", "report",
)  # fmt: skip
RUN, LOADED = "measured", "loaded"


def main(var: str, name: str) -> None:
    """Does a stage; what it staged, and what of it may be published, is left for the next in a file."""
    say(LOADED)
    project, state = readings_project(Path(var)), Path(var) / "staged.json"
    staged: dict[str, list[str]] = json.loads(state.read_text()) if state.exists() else {}
    work, _, of = name.partition(" ")
    if work == "ingest":  # with the labels of the night, which a later one would stage
        staged[work] = list(ingest_history(project, NIGHT, NIGHT))
    elif work in {"features", "score"}:
        staged[work] = list(stage(project, work, NIGHT, say))
    elif work == "audit":
        staged[of] = list(audit(project, staged[of], NIGHT, RUN, say).locations)
    elif work == "publish":
        publish(project, staged[of])
    else:
        _monitor(project, work)
    state.write_text(json.dumps(staged))


def _monitor(project: Project, work: str) -> None:
    if work == "drift":
        drift(project, NIGHT, RUN, say)
    elif work == "estimate":
        estimate(project, NIGHT, RUN, say)
    elif work == "outcomes":  # at the cutoff of the next night the labels are final
        measure_outcomes(project, NIGHT + timedelta(days=1), RUN)
    elif work == "decide":
        decide(project, NIGHT, RUN)
    else:
        write_report(project, NIGHT, RUN)


if __name__ == "__main__":
    main(*sys.argv[1:])
