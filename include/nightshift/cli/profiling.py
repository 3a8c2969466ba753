"""The commands that propose a definition from landed files: of a model, and of a source."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nightshift.cli.output import DATE, progress, write_line, write_note
from nightshift.errors import TerminalError
from nightshift.settings import Settings, get_settings

if TYPE_CHECKING:
    from nightshift.definition.draft import Draft
    from nightshift.profiling.landed_sources import LandedSource
    from nightshift.profiling.roles import ProfiledSource
    from nightshift.profiling.source_profile import SourceProfile

NEWEST_DATES = 60  # profiled if no date is given


def new(
    model: Annotated[str, typer.Argument(help="Name of the new model.")],
    source: Annotated[
        list[str] | None,
        typer.Option(help="A source to use, of those that the landed files look like; may be given more than once."),
    ] = None,
    observations: Annotated[str | None, typer.Option(help="The source whose rows are scored.")] = None,
    label: Annotated[str | None, typer.Option(help="The source with the outcomes.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A column that identifies what is scored, such as a customer; may be given more than once."),
    ] = None,
) -> None:
    """Write the definition of a new model from its landed files; what they cannot show is marked to be decided."""
    from nightshift.profiling.new_model import propose_model
    from nightshift.profiling.proposal import render_yaml
    from nightshift.profiling.roles import choose_roles

    settings = get_settings()
    file = _new_file(settings, model)
    landed, notes = _landed_sources(settings, source)
    _check_names([observations, label], [entry.name for entry in landed])
    with progress() as report:
        profiled, zone = _profile_sources(settings, model, landed, notes, report)
    roles = choose_roles(profiled, observations, label, key or ())
    section = propose_model(model, getpass.getuser(), profiled, roles, zone)
    schema = settings.home / "docs" / "model.schema.json"
    if file.is_relative_to(settings.home):
        schema = Path(os.path.relpath(schema, file.parent))
    heading = (
        f"yaml-language-server: $schema={schema}",
        "Proposed by nightshift new from landed files. Decide what is marked `!decide`: remove the mark, or write",
        f"another value; `nightshift validate {model}` lists what is left. docs/definition.md describes every key, and",
        f"`nightshift profile-source {model} <source>` shows the evidence for a source and proposes more checks.",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    text = render_yaml(section, heading)
    file.write_text(text, encoding="utf-8")
    for note in notes:
        write_note(note, "yellow")
    marks = sum("!decide " in line for line in text.splitlines() if not line.startswith("#"))
    scored = f"{' and '.join(roles.key)} of {roles.observations}" if roles.within else roles.observations
    uses = f"scores {scored}, learns from {roles.label}"
    sources = f"{len(profiled)} source{'s' if len(profiled) > 1 else ''}"
    write_line(f"{file}: {sources}; {uses}; {marks} values to decide, each marked !decide")


def _new_file(settings: Settings, model: str) -> Path:
    """The file of a definition that does not exist yet.

    Raises:
        TerminalError: If it does, or no model can have this name.
    """
    from nightshift.definition.base import NAME_FORM, is_name
    from nightshift.definition.load import FILE

    if not is_name(model):
        raise TerminalError("not a name", where="model", received=model, allowed=NAME_FORM, fix="choose another")
    file = settings.models_path / model / FILE
    if file.exists():
        fix = "edit it, remove it to have it proposed anew, or choose another name"
        raise TerminalError("the model has a definition", where=str(file), fix=fix)
    return file


def _landed_sources(settings: Settings, wanted: Sequence[str] | None) -> tuple[list[LandedSource], list[str]]:
    """The sources to use, and notes: those that were asked for, or else all that no other model declares."""
    from nightshift.definition.declarations import used_sources
    from nightshift.definition.load import FILE, definition_folders
    from nightshift.profiling.landed_sources import find_landed_sources

    landed, notes = find_landed_sources(settings.landing_uri)
    names = [entry.name for entry in landed]
    if wanted:
        _check_names(wanted, names)
        return [entry for entry in landed if entry.name in wanted], notes
    others = used_sources(folder / FILE for folder in definition_folders(settings.models_path))
    taken = {name for sources in others.values() for name in sources}
    free = [entry for entry in landed if entry.name not in taken]
    if not free:
        raise TerminalError(
            "every source that has landed is another model's",
            where=settings.landing_uri,
            received=", ".join(names),
            fix=f"choose some of them: --source {names[0]}",
        )
    if used := [name for name in names if name in taken]:
        notes.append(f"not used, since other models declare them: {', '.join(used)}; --source uses one all the same")
    return free, notes


def _check_names(given: Sequence[str | None], names: Sequence[str]) -> None:
    for name in given:
        if name is not None and name not in names:
            raise TerminalError("no such source has landed", received=name, allowed=names, fix="choose one of them")


def _profile_sources(
    settings: Settings, model: str, landed: Sequence[LandedSource], notes: list[str], report: Callable[[str], None]
) -> tuple[dict[str, ProfiledSource], str]:
    """Each source with its proposed declaration, and the zone of their dates; what to know is added to the notes."""
    from nightshift.definition.draft import find_draft
    from nightshift.profiling.csv_format import propose_csv_format
    from nightshift.profiling.propose import as_version
    from nightshift.profiling.source_profile import profile_landed_files, select_dates
    from nightshift.profiling.zones import common_zone

    drafts, dates, profiles = {}, {}, {}
    for entry in landed:
        draft = find_draft(settings.models_path, model, entry.name, entry.path, settings.sources_path)
        draft = draft.with_completeness(entry.complete)
        dates[entry.name] = select_dates(settings.landing_uri, draft)
        draft, written_notes = propose_csv_format(settings.landing_uri, entry.name, draft, dates[entry.name])
        drafts[entry.name] = draft
        notes += [f"{entry.name}: {note}" for note in written_notes]
    newest = max(days[-1] for days in dates.values())
    for name, draft in drafts.items():
        drafts[name] = as_version(draft, dates[name], newest)
        profiles[name] = profile_landed_files(settings.landing_uri, name, draft, dates[name][-NEWEST_DATES:], report)
    zone = common_zone(history for profile in profiles.values() for history in profile.columns.values())
    paths = {entry.name: entry.path for entry in landed}
    profiled = {
        name: _profiled(
            settings, model, name, paths[name], drafts[name], profiles[name].by_clock(zone), dates[name], notes
        )
        for name in drafts
    }
    return profiled, zone


def _profiled(
    settings: Settings,
    model: str,
    name: str,
    path: str,
    draft: Draft,
    profile: SourceProfile,
    dates: Sequence[date],
    notes: list[str],
) -> ProfiledSource:
    """A source with its proposed declaration, unless models share it."""
    from nightshift.definition.draft import SourceUses
    from nightshift.definition.shared_sources import source_files
    from nightshift.definition.yaml_tree import parse
    from nightshift.profiling.propose import is_daily, propose
    from nightshift.profiling.roles import ProfiledSource

    daily = is_daily(draft, dates)
    shared = source_files(settings.sources_path).get(name)
    if shared and (declared := parse(shared)).get("path") == path:
        return ProfiledSource(None, profile, tuple(dates), daily, "event_time" in declared)
    proposal = propose(model, name, replace(draft, uses=SourceUses(only_looked_up=not daily)), profile)
    notes += [f"{name}: {note}" for note in proposal.notes]
    return ProfiledSource(proposal.source, profile, tuple(dates), daily, "event_time" in proposal.source.entries)


def profile_source(
    model: Annotated[str, typer.Argument(help="Name of the model; its definition may be incomplete or missing.")],
    source: Annotated[str, typer.Argument(help="Name of the source.")],
    path: Annotated[
        str | None, typer.Option(help="Where its files land, if no definition says so: 'arrivals/{date}.csv'.")
    ] = None,
    first: Annotated[date | None, typer.Option("--from", **DATE, help="First date.")] = None,
    last: Annotated[date | None, typer.Option("--to", **DATE, help="Last date.")] = None,
    newest: Annotated[
        int | None,
        typer.Option("--last", min=1, help=f"Number of newest dates; {NEWEST_DATES} if no date is given, else all."),
    ] = None,
) -> None:
    """Propose what to declare of a source from its landed files, as YAML for its definition."""
    from nightshift.definition.draft import find_draft
    from nightshift.profiling.csv_format import propose_csv_format
    from nightshift.profiling.propose import propose
    from nightshift.profiling.source_profile import profile_landed_files, select_dates

    settings = get_settings()
    draft = find_draft(settings.models_path, model, source, path, settings.sources_path)
    if newest is None and first is None and last is None:
        newest = NEWEST_DATES
    days = select_dates(settings.landing_uri, draft, first, last, newest)
    draft, written_notes = propose_csv_format(settings.landing_uri, source, draft, days)
    with progress() as report:
        profile = profile_landed_files(settings.landing_uri, source, draft, days, report)
    proposal = propose(model, source, draft, profile)
    sys.stdout.write(proposal.to_yaml())
    for note in (*written_notes, *proposal.notes):
        write_note(note, "yellow")
