"""Nights whose features were computed by another definition than the current one: which, and building them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from nightshift.definition.calendar import neighbouring, only_nights, spans_in_words
from nightshift.definition.recipe import RecipeChange, columns_behind, label_digest, label_recipe, recipe_change
from nightshift.definition.schedule import Schedule
from nightshift.errors import NightshiftError, TerminalError
from nightshift.features.recorded_recipes import learned_recipes, recipes_by_night
from nightshift.lake.readings import outdated_readings, require_current_readings
from nightshift.lake.tables import features_table, scores_table
from nightshift.project import Progress, Project
from nightshift.registry.package import learned_features
from nightshift.registry.store import Version
from nightshift.registry.stored_definition import definition_of_version, require_computable
from nightshift.stages.history import build_features, reread_published

CURRENT, UNRECORDED = "current", RecipeChange(unrecorded=True)


@dataclass(frozen=True)
class OutdatedNights:
    """Published nights of features that the current definition computes otherwise.

    Attributes:
        changes: How the features of each night differ from what the definition says now, by night.
        schedule: Which dates are nights; every date if None.
    """

    changes: Mapping[date, RecipeChange]
    schedule: Schedule | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature that differs on some night."""
        return tuple(dict.fromkeys(name for change in self.changes.values() for name in change.features))

    @property
    def spans(self) -> list[tuple[date, date]]:
        """The nights as spans of neighbouring nights."""
        return neighbouring(self.changes, self.schedule)

    @property
    def change(self) -> RecipeChange:
        """How the features of all these nights differ."""
        return RecipeChange(self.features, unrecorded=bool(self.changes) and not self.features)

    @property
    def rebuilt(self) -> str:
        """What was done about them, as a sentence."""
        if not self.changes:
            return "every published night is of the current definition; nothing is computed again"
        return f"{self._nights}, of {self.change}, computed again by the current one"

    def __str__(self) -> str:
        return f"the features of {self._nights} were computed by {self.change}"

    @property
    def _nights(self) -> str:
        count = f"{len(self.changes)} {'night' if len(self.changes) == 1 else 'nights'}"
        return f"{count} ({spans_in_words(self.changes, self.schedule)})"


def outdated_nights(
    project: Project, first: date = date.min, last: date = date.max, snapshot: int | None = None
) -> OutdatedNights:
    """The published nights from `first` to `last` whose features the definition computes otherwise now."""
    wanted, schedule = project.definition.feature_digests, project.definition.schedule
    nights = recipes_by_night(project.lake, features_table(project.definition), first, last, snapshot)
    changes = {night: recipe_change(wanted, recorded) for night, recorded in nights.items()}
    changes = {night: changes[night] for night in only_nights(schedule, changes)}
    return OutdatedNights({night: change for night, change in changes.items() if change}, schedule)


def definitions_by_night(project: Project, first: date, last: date) -> dict[date, str]:
    """The definition of the features that each published night was scored from, in words."""
    scored = recipes_by_night(project.lake, scores_table(project.definition), first, last)
    return {
        night: str(UNRECORDED) if recipes is None else _in_words(project, recipes) for night, recipes in scored.items()
    }


def definition_of(project: Project, version: Version) -> str:
    """How what a version learned differs from what the definition says now, in words."""
    try:
        used = learned_features(project.registry.package_files(version.run_id, version.digest))
        learned = learned_recipes(project.registry, version, used)
    except NightshiftError:
        return "unknown"
    texts = [_in_words(project, learned.features)]
    if learned.label != label_digest(project.definition):
        texts = [text for text in texts if text != CURRENT] + ["another definition of the label"]
    return "; ".join(texts)


def _in_words(project: Project, recipes: Mapping[str, str]) -> str:
    """How features of some recipes differ from those that the definition computes now."""
    return str(recipe_change(recipes, project.definition.feature_digests) or CURRENT)


def describe_outdated(project: Project) -> list[str]:
    """The published nights, and the versions in use, that stand on another definition than the current one."""
    outdated = outdated_nights(project)
    build = f"fix: nightshift build {project.definition.name}"
    lines = [f"{readings}; {build}" for readings in outdated_readings(project.lake, project.definition)]
    lines += [f"{outdated}; {build}"] if outdated.changes else []
    registry = project.registry
    in_use = {"champion": registry.champion(), "challenger": registry.challenger()}
    for role, version in in_use.items():
        if version is not None and (text := definition_of(project, version)) != CURRENT:
            lines.append(f"version {version.number}, the {role}, learned {text}; {_scored_by(project, version)}")
    return lines


def _scored_by(project: Project, version: Version) -> str:
    """How nights are scored by a version that learned another definition, in words; or why they cannot be."""
    try:
        used = learned_features(project.registry.package_files(version.run_id, version.digest))
        with definition_of_version(project.registry, version) as learned:
            require_computable(version, learned, used, project.definition)
    except NightshiftError as error:
        return f"it cannot score: {error}"
    return "it is scored by its own definition"


def check_recipes(project: Project, first: date, last: date, snapshot: int) -> None:
    """Refuses rows of several definitions: a model would learn one feature that means two things.

    Raises:
        TerminalError: If the features of a night were computed, or the rows of a source behind them or behind the label
            read, by another definition than the current one.
    """
    definition = project.definition
    columns = columns_behind([*definition.recipes.values(), label_recipe(definition)])
    require_current_readings(project.lake, definition, columns)
    outdated = outdated_nights(project, first, last, snapshot)
    if outdated.changes:
        name = project.definition.name
        raise TerminalError(
            str(outdated),
            where=features_table(project.definition).name,
            allowed="features of the current definition",
            fix=f"nightshift build {name}, which computes those nights again; then train",
        )


@dataclass(frozen=True)
class Rebuild:
    """What was computed again.

    Attributes:
        readings: What was read again, and what stays as it was read, a line each.
        nights: The nights whose features were computed again.
    """

    readings: tuple[str, ...]
    nights: OutdatedNights


def rebuild(project: Project, progress: Progress) -> Rebuild:
    """Reads again what is read otherwise now, computes the features of all outdated nights again, and publishes both.

    Raises:
        DataError: If a check failed; spans that were published before stay published.
        TerminalError: If a landed file that has to be read again is gone.
    """
    outdated = outdated_nights(project)
    readings = reread_published(project, progress)
    for first, last in outdated.spans:
        progress(f"computing the features of {first} to {last} again")
        build_features(project, first, last, f"rebuild-{first}-{last}", progress)
    return Rebuild(readings, outdated)
