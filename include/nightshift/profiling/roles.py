"""Which of the landed sources of a new model has the observations, and which their outcomes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from nightshift.errors import TerminalError
from nightshift.profiling.column_profile import TIMES
from nightshift.profiling.column_types import NUMBERS
from nightshift.profiling.proposal import ProposedSection
from nightshift.profiling.recurrence import RECURRING_SHARE
from nightshift.profiling.source_profile import SourceProfile
from nightshift.profiling.suggestions import SourceTraits, is_identifier


@dataclass(frozen=True)
class ProfiledSource:
    """A source with its proposed declaration.

    Attributes:
        section: Its proposed section; None if it is declared in a file that models share.
        profile: The profile of its newest files.
        dates: The dates of all its files, ascending.
        daily: Whether there is a file for every date.
        has_event_time: Whether its declaration says when the event of a row happened.
    """

    section: ProposedSection | None
    profile: SourceProfile
    dates: tuple[date, ...]
    daily: bool
    has_event_time: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row; empty if none were found."""
        return self.profile.key.columns if self.profile.key else ()

    @property
    def identifiers(self) -> list[str]:
        """The numbers that identify something, in the order of the file."""
        traits, histories = SourceTraits(self.daily, self.key, 0.0), self.profile.columns
        return [name for name, history in histories.items() if is_identifier(name, history, traits)]

    @property
    def numbers(self) -> list[str]:
        """Its columns that measure something: numbers that identify nothing."""
        identifiers = set(self.identifiers)
        return [name for name in self.columns(NUMBERS) if name not in identifiers]

    @property
    def entities(self) -> list[str]:
        """The columns that name something that comes again on later dates, identifiers before other texts."""
        recurring = [name for name, share in self.profile.recurring.items() if share >= RECURRING_SHARE]
        identifiers = [name for name in recurring if name in self.identifiers]
        texts = [name for name in recurring if self.profile.types[name].name == "string"]
        return list(dict.fromkeys([*identifiers, *texts]))

    @property
    def has_new_keys(self) -> bool:
        """Whether its rows are events: every date has keys that no date before had, or rows without a key."""
        recurring, times = self.profile.recurring, self.columns_of(TIMES)
        return not self.key or any(name in times or recurring.get(name, 1.0) < RECURRING_SHARE for name in self.key)

    def columns(self, kinds: frozenset[str]) -> list[str]:
        """Its columns of some types, without those of the key."""
        return [name for name in self.columns_of(kinds) if name not in self.key]

    def columns_of(self, kinds: Collection[str]) -> list[str]:
        """Its columns of some types."""
        return [name for name, kind in self.profile.types.items() if kind.name in kinds]


@dataclass(frozen=True)
class Roles:
    """Which source has the observations, and which has their outcomes.

    Attributes:
        observations: The source of the observations.
        label: The source of the outcomes.
        observations_given: Whether a person chose the first.
        label_given: Whether a person chose the second.
        key: What identifies an observation; empty if nothing is known to.
        entities: The columns that a person may choose as the key instead; empty if there is nothing to choose.
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
    entities: tuple[str, ...] = ()


def choose_roles(
    sources: Mapping[str, ProfiledSource],
    observations: str | None = None,
    label: str | None = None,
    key: Sequence[str] = (),
) -> Roles:
    """The source that reaches furthest has the observations: they are there first. One that shares its key, the label.

    If the label's source has a part of the key only, such as a machine and not the time of its reading, this part is
    scored. If one source is both and its rows are events, such as sales, then what they name and what comes again is
    scored, such as a customer.

    Args:
        sources: The sources, by name.
        observations: The source that a person chose for the observations.
        label: The source that a person chose for the outcomes.
        key: The columns that a person chose to identify what is scored.

    Raises:
        TerminalError: If both would be the same, and nothing in it comes again; if it lacks a column of the given key.
    """
    daily = [name for name, source in sources.items() if source.daily] or list(sources)
    observed = observations or _furthest(sources, [name for name in daily if name != label] or daily)
    identified = set(key or sources[observed].key)
    others = [name for name in daily if name != observed]
    sharing = [name for name in others if identified and identified <= set(sources[name].profile.types)]
    outcome = label or next(iter([*sharing, *others]), observed)
    scored, within = _scored(sources, observed, outcome, tuple(key))
    entities = _entities(observed, sources) if outcome == observed and not key else []
    at_most_once = bool(sources[outcome].key) and set(sources[outcome].key) <= set(scored)
    events = sources[outcome].has_event_time and not at_most_once
    given = observations is not None, label is not None
    return Roles(observed, outcome, *given, scored, within, events, tuple(entities))


def _scored(
    sources: Mapping[str, ProfiledSource], observed: str, outcome: str, key: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    """What identifies an observation, and whether it is a key that was seen lately and not a row.

    Raises:
        TerminalError: If nothing can be scored by, or the source lacks a column of the given key.
    """
    source = sources[observed]
    if unknown := [column for column in key if column not in source.profile.types]:
        raise TerminalError(
            f"no such column in {observed}", where="--key", received=unknown[0], allowed=list(source.profile.types),
            fix="name columns of the source whose rows are scored",
        )  # fmt: skip
    if key:
        return key, outcome == observed or set(key) != set(source.key)
    if outcome == observed:
        return (source.key if not source.has_new_keys else tuple(_entities(observed, sources)[:1])), True
    shared = tuple(name for name in source.key if name in sources[outcome].profile.types)
    within = 0 < len(shared) < len(source.key)
    return (shared if within else source.key), within


def _entities(name: str, sources: Mapping[str, ProfiledSource]) -> list[str]:
    """The columns of events by which they can be scored, the likeliest first; none of a source whose keys come again.

    Of several that come again, the key of another source is what the files are about.

    Raises:
        TerminalError: If there is none among the columns of events.
    """
    source = sources[name]
    if not source.has_new_keys:
        return []
    keys = {part.key for other, part in sources.items() if other != name}
    if entities := sorted(source.entities, key=lambda column: (column,) not in keys):
        return entities
    raise TerminalError(
        "one source is what is scored and its outcome, and nothing in it comes again on a later date",
        received=name,
        allowed="a column such as a customer or a machine that many dates name, never missing; or another source",
        fix="name the columns of what is scored, --key; or land a source of what is scored",
    )


def _furthest(sources: Mapping[str, ProfiledSource], names: Sequence[str]) -> str:
    return max(names, key=lambda name: sources[name].dates[-1])
