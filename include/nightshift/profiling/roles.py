"""Which of the landed sources of a new model has the observations, and which their outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nightshift.errors import TerminalError
from nightshift.profiling.proposal import ProposedSection
from nightshift.profiling.source_profile import SourceProfile


@dataclass(frozen=True)
class ProfiledSource:
    """A source with its proposed declaration.

    Attributes:
        section: Its proposed section; None if it is declared in a file that models share.
        profile: The profile of its newest files.
        dates: The dates of all its files, ascending.
        daily: Whether there is a file for every date.
    """

    section: ProposedSection | None
    profile: SourceProfile
    dates: tuple[date, ...]
    daily: bool

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty if none were found."""
        return self.profile.key.columns if self.profile.key else ()

    @property
    def has_event_time(self) -> bool:
        """Whether its proposed declaration says when the event of a row happened."""
        return self.section is not None and "event_time" in self.section.entries

    def columns(self, kinds: frozenset[str]) -> list[str]:
        """Its columns of some types, without those of the key."""
        return [name for name, kind in self.profile.types.items() if kind.name in kinds and name not in self.key]


@dataclass(frozen=True)
class Roles:
    """Which source has the observations, and which has their outcomes.

    Attributes:
        observations: The source of the observations.
        label: The source of the outcomes.
        observations_given: Whether a person chose the first.
        label_given: Whether a person chose the second.
        key: What identifies an observation; empty if nothing is known to.
        within: Whether the keys that the source had lately are scored, and not its rows.
        events: Whether the label's rows are events: a key has any number of them.
    """

    observations: str
    label: str
    observations_given: bool
    label_given: bool
    key: tuple[str, ...]
    within: bool
    events: bool


def choose_roles(
    sources: Mapping[str, ProfiledSource], observations: str | None = None, label: str | None = None
) -> Roles:
    """The source that reaches furthest has the observations: they are there first. One that shares its key, the label.

    If the label's source has a part of the key only, such as a machine and not the time of its reading, this part is
    scored.

    Args:
        sources: The sources, by name.
        observations: The source that a person chose for the observations.
        label: The source that a person chose for the outcomes.

    Raises:
        TerminalError: If both would be the same, and it has no key to find its rows again by.
    """
    daily = [name for name, source in sources.items() if source.daily] or list(sources)
    observed = observations or _furthest(sources, [name for name in daily if name != label] or daily)
    key = set(sources[observed].key)
    others = [name for name in daily if name != observed]
    sharing = [name for name in others if key and key <= set(sources[name].profile.types)]
    outcome = label or next(iter([*sharing, *others]), observed)
    if outcome == observed and not sources[observed].key:
        raise TerminalError(
            "one source is what is scored and its outcome, and nothing identifies a row of it",
            received=observed,
            allowed="columns that differ in every row of a date, or a source of its own for what is scored",
            fix="land files with a key, or a second source",
        )
    columns, types = sources[observed].key, sources[outcome].profile.types
    shared = tuple(name for name in columns if name in types)
    within = outcome == observed or 0 < len(shared) < len(columns)
    scored = shared if within else columns
    at_most_once = bool(sources[outcome].key) and set(sources[outcome].key) <= set(scored)
    events = outcome != observed and sources[outcome].has_event_time and not at_most_once
    return Roles(observed, outcome, observations is not None, label is not None, scored, within, events)


def _furthest(sources: Mapping[str, ProfiledSource], names: Sequence[str]) -> str:
    return max(names, key=lambda name: sources[name].dates[-1])
