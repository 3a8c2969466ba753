"""The champion of a model as the API serves it: it follows MLflow's alias, and stays when the registry is away."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa

from nightshift.errors import NightshiftError, NotYetAvailable, TerminalError, first_line
from nightshift.features.recorded_recipes import learned_recipes
from nightshift.lake.tables import ignored_columns
from nightshift.project import Project
from nightshift.registry.encoder import FEATURE_ARROW
from nightshift.registry.events import current_champion
from nightshift.registry.mlflow_files import typical_row
from nightshift.registry.package import ModelPackage
from nightshift.registry.store import Version
from nightshift.serving.kept_rows import RowKeeper
from nightshift.serving.observed_model import ObservedModel
from nightshift.serving.served_version import ServedVersion

log = logging.getLogger(__name__)


class ServedModel(ABC):
    """A model whose champion answers requests.

    Args:
        name: Its name.
        description: What it is.
        ignored: The columns that callers may send beside features: they need not know which ones the version of today
            uses.
        fixes: What to do about columns that callers may take for features, by name.

    Attributes:
        champion: The version that answers; None while there is none.
        problem: Why the newest look for a champion failed, or none answers; empty if all is well.
        looked_at: When the champion was looked for last.
        keeper: Keeps the rows that are scored; None if they are not kept.
    """

    def __init__(
        self, name: str, description: str, ignored: Collection[str], fixes: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.description, self.ignored, self.fixes = name, description, frozenset(ignored), fixes or {}
        self.champion: ServedVersion | None = None
        self.problem = "the registry was not asked yet"
        self.looked_at: datetime | None = None
        self.keeper: RowKeeper | None = None

    @abstractmethod
    def follow(self) -> None:
        """Looks for the champion, and loads it if it is another; never fails."""


class RegisteredModel(ServedModel):
    """A model with its registry and its tables.

    Args:
        project: The model.
        keep: Whether the rows that it scores are kept, with the challenger's scores.

    Attributes:
        observed: Computes the features of observations that callers send.
    """

    def __init__(self, project: Project, *, keep: bool = False) -> None:
        definition = project.definition
        fix = f"send observations to /models/{definition.name}/score, which computes their features"
        landed = definition.sources[definition.observations.source].landed
        fixes = dict.fromkeys(landed, fix)
        super().__init__(definition.name, definition.description, ignored_columns(definition), fixes)
        self.project = project
        self.observed = ObservedModel(project)
        self._challenger: ServedVersion | None = None
        every = project.settings.serving.publish
        self.keeper = RowKeeper(project, lambda: self._challenger, every) if keep else None

    def follow(self) -> None:
        """Asks the registry for the champion, and loads it if it is another. Whatever fails, the last one answers on.

        Only a model whose every champion was retired, or that never had one, stops answering.
        """
        self.looked_at = datetime.now(UTC)
        try:
            version, champion = self._find(), self.champion
            if champion is None or (version.number, version.digest) != (champion.number, champion.digest):
                self.champion = self._load(version)
            self.problem = ""
            if self.keeper is not None:
                self._challenger = self._follow_challenger()
        except NotYetAvailable as error:
            self.champion = None
            self._stay(str(error))
        except NightshiftError as error:
            self._stay(str(error))
        except Exception as error:  # whatever a registry's client raises, requests are answered
            log.exception("the champion of %s cannot be followed", self.name)
            self._stay(f"{type(error).__name__}: {first_line(error)}")

    def _find(self) -> Version:
        """The champion.

        Raises:
            NotYetAvailable: If there is none by the events either: no version was promoted, or the last was retired.
            TerminalError: If it was removed in MLflow.
        """
        champions = self.project.champions
        try:
            return champions.require_champion()
        except TerminalError as error:
            if current_champion(champions.events()) is None:
                raise NotYetAvailable(error.problem, where=error.where, fix=error.fix) from None
            raise

    def _follow_challenger(self) -> ServedVersion | None:
        """The version that scores in shadow; the loaded one if it cannot be loaded."""
        challenger, loaded = self.project.registry.challenger(), self._challenger
        if challenger is None or (loaded is not None and loaded.digest == challenger.digest):
            return loaded if challenger is not None else None
        package = self.project.registry.package(challenger.run_id, challenger.digest)
        return ServedVersion(challenger.number, challenger.digest, package, datetime.now(UTC))

    def _stay(self, problem: str) -> None:
        """Answers on as before, and says the problem once."""
        problem = problem if problem.startswith(f"{self.name}:") else f"{self.name}: {problem}"
        if problem != self.problem:
            log.warning("%s", problem)
        self.problem = problem

    def _load(self, version: Version) -> ServedVersion:
        """Loads a version."""
        package = self.project.registry.package(version.run_id, version.digest)
        score_once(package)
        otherwise = self._learned_otherwise(version, package)
        log.info("%s: version %d answers", self.name, version.number)
        return ServedVersion(version.number, version.digest, package, datetime.now(UTC), otherwise)

    def _learned_otherwise(self, version: Version, package: ModelPackage) -> str:
        used = list(package.encoder.types)
        try:
            learned = learned_recipes(self.project.registry, version, used).features
        except NightshiftError as error:
            return str(error)
        now = self.project.definition.feature_digests
        changed = [name for name in used if learned[name] != now.get(name)]
        return f"version {version.number} learned other recipes of {', '.join(changed)}" if changed else ""


def score_once(package: ModelPackage) -> None:
    """Scores a row, so that the first request does not wait for what that takes."""
    columns = zip(package.encoder.types.items(), typical_row(package), strict=True)
    row = pa.table({name: pa.array([value], FEATURE_ARROW[kind]) for (name, kind), value in columns})
    with suppress(NightshiftError):  # a version that takes no missing values refuses a row that has some
        package.score(row)


class Followed(Protocol):
    """What changes elsewhere: a champion, or the state of the newest night."""

    def follow(self) -> None:
        """Looks for what has changed; never fails."""


class Follower:
    """Follows what changes elsewhere, in a thread, until it is stopped.

    Args:
        followed: What is followed.
        seconds: Between two looks.
        after: Called after each look.
    """

    def __init__(self, followed: Sequence[Followed], seconds: float, after: Callable[[], None] = lambda: None) -> None:
        self.followed, self.seconds, self.after = followed, seconds, after
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Looks once, then in its thread."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """Stops after the look that is under way."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self.seconds):
            self._look()

    def _look(self) -> None:
        for followed in self.followed:
            followed.follow()
        self.after()
