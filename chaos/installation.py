"""An installation of the chaos run: a tiny model, whose tasks are killed or run undisturbed."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos.attempts import TEMPORARY, Attempts, HandNeededError, processes_of
from chaos.comparison import differences
from chaos.steps import FIRST, HISTORY, MODEL, StepContext, steps_of_night, steps_of_training
from nightshift.project import Project
from nightshift.replay.landing import land
from nightshift.settings import PROJECT, Settings, SparkSettings

PROMOTIONS = {
    "in shadow": "{shadow: {nights: 3, metric: roc_auc, margin: 0.05, confidence: 0.8}}",
    "by approval": "{approval: {timeout: 1h}}",
}
PROBE = re.compile(r"[a-z0-9_]{8}")  # see `tempfile._get_default_tempdir`
DRIVER_WAITS, ENDS_WITHIN = 30, 60  # seconds


@dataclass(frozen=True)
class Installation:
    """An installation of its own.

    Attributes:
        attempts: Runs its tasks; all of the installation is below their folder.
        promotion: How new versions are promoted, a key of `PROMOTIONS`.
        nights: How many nights it runs.
    """

    attempts: Attempts
    promotion: str
    nights: int

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.attempts.folder

    @property
    def settings(self) -> Settings:
        """Its settings."""
        spark = SparkSettings(driver_waits=DRIVER_WAITS)
        return Settings(home=PROJECT, var=self.folder / "var", models_folder=self.folder / "models", spark=spark)

    @cached_property
    def steps(self) -> list[tuple[date, str]]:
        """Its tasks with their dates: the history and a first training, the nights, and maintenance at the end."""
        approval, first = self.promotion == "by approval", FIRST + timedelta(days=HISTORY)
        before = first - timedelta(days=1)
        steps = [(before, name) for name in ("history", *steps_of_training(approval=approval))]
        for number in range(self.nights):
            night = first + timedelta(days=number)
            steps += [(night, name) for name in steps_of_night(number, approval=approval)]
        return [*steps, (steps[-1][0], "maintenance")]

    def run(self, advance: Callable[[], None]) -> list[str]:
        """Runs all tasks, one after the other, until one of them needs a person.

        Args:
            advance: Called after each.

        Returns:
            What needs a person; nothing if all is well.
        """
        (self.folder / TEMPORARY).mkdir(parents=True)
        models = shutil.copytree(PROJECT / "tests" / "models", self.folder / "models")
        definition = models / MODEL / "model.yaml"
        text = definition.read_text().replace("training:\n", "training:\n  refit: true\n")
        definition.write_text(f"{text}\npromotion: {PROMOTIONS[self.promotion]}\n")
        land(Project(MODEL, self.settings), self.steps[-1][0] + timedelta(days=1))
        results: dict[str, Any] = {}
        *steps, last = self.steps
        try:
            with self.attempts.clock.jumping() if self.attempts.clock else nullcontext():
                for night, name in steps:
                    results[name] = self.attempts.run(name, StepContext(self.settings, night, results))
                    advance()
            # By a clock that is right again: maintenance measures ages.
            self.attempts.run(last[1], StepContext(self.settings, last[0], results))
            advance()
        except HandNeededError as error:
            return [f"{self.folder.name}: {error}"]
        return []


def check(installation: Installation, undisturbed: Installation) -> list[str]:
    """What differs from an undisturbed installation after its tasks were killed; nothing if all is well."""
    deadline = time.monotonic() + ENDS_WITHIN
    while (processes := list(processes_of(installation.folder))) and time.monotonic() < deadline:
        time.sleep(1)
    lines = [f"still running: {' '.join(process.cmdline())[:200]}" for process in processes]
    temporary = (installation.folder / TEMPORARY).iterdir()
    lines += [f"left behind: {path}" for path in temporary if not _is_probe(path)]
    lines += differences(undisturbed.settings, installation.settings)
    return [f"{installation.folder.name}: {line}" for line in lines]


def _is_probe(path: Path) -> bool:
    """Whether Python left a file that it tries out a temporary folder with, since it was killed right then."""
    return PROBE.fullmatch(path.name) is not None and path.is_file() and path.read_bytes() in (b"", b"blat")
