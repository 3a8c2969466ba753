"""The loop: what a night does, stage by stage. DAG tasks and the command line call these and nothing else.

Each stage can be killed and run again. What passes between stages is the location of a staged set, or a
plain value.
"""

from __future__ import annotations

from nightshift.loop.deciding import Deciding
from nightshift.loop.monitoring import Monitoring
from nightshift.loop.nights import Audited, Nights
from nightshift.loop.outcomes import Outcomes
from nightshift.loop.training import Trained, Training

__all__ = ["Audited", "Loop", "Trained"]


class Loop(Nights, Monitoring, Outcomes, Deciding, Training):
    """One model's loop.

    Args:
        model: The model's name.
        settings: This installation's settings.
    """
