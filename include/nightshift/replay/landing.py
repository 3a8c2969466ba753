"""Lands an example's data as its systems would have delivered it."""

from __future__ import annotations

from datetime import date, timedelta

from nightshift.definition.calendar import is_available, newest_partition, previous_night
from nightshift.definition.load import FILE, load_replay
from nightshift.lake.files import write_bytes
from nightshift.lake.landed_parts import landing_file, why_file_incomplete
from nightshift.project import Project
from nightshift.settings import Settings, get_settings

DELIVERY = timedelta(days=7)  # a file that arrives on a date is dated at most so long before it


def example(model: str, settings: Settings | None = None) -> Project:
    """The model that has the example data: of the models folder, or else one of the examples that come with Nightshift.

    So their files can land in an installation that has other models.
    """
    settings = settings or get_settings()
    provided = settings.home / "include" / "models"
    if not (settings.models_path / model / FILE).exists() and (provided / model / FILE).exists():
        declared = {name: getattr(settings, name) for name in Settings.model_fields}
        settings = Settings(**declared | {"models_folder": provided, "sources_folder": None})
    return Project(model, settings)


def land_night(project: Project, night: date) -> int:
    """Lands the example files that arrive for a night: those of the dates since the night before; see `land`."""
    first = previous_night(project.definition.schedule, night) + timedelta(days=1)
    return land(project, night, since=first - DELIVERY)


def land(project: Project, night: date, since: date | None = None) -> int:
    """Lands the example files that had arrived by a night's cutoff.

    Only for definitions that carry a `landing.py`, as the examples do. Files that have landed stay as they are.

    Args:
        project: The model.
        night: The score date.
        since: The first date of the files; the schedule's start if None.

    Returns:
        How many files landed.

    Raises:
        TerminalError: If the definition carries no example data.
    """
    definition, landing = project.definition, project.settings.landing_uri
    count = 0
    # Some files are there before their own date, such as what is planned for tomorrow.
    last = max(night, *(newest_partition(definition.schedule, source, night) for source in definition.sources.values()))
    for name, text, content in load_replay(definition)(since or definition.schedule.start, last):
        if (source := definition.sources.get(name)) is None:
            continue  # the data are another model's, which has more sources
        day = date.fromisoformat(text)
        file = landing_file(landing, name, source, day)
        if is_available(definition.schedule, source, day, night) and why_file_incomplete(file):
            write_bytes(file.uri, content)
            count += 1
    return count
