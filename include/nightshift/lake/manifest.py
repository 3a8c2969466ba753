"""Manifests: the JSON files by which senders list the parts of a date."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from nightshift.errors import DataError
from nightshift.lake.files import read_bytes


class Manifest(BaseModel):
    """A manifest; what else stands in it is ignored.

    Attributes:
        parts: The number of rows of each part, by its path below the manifest's folder; None where it is not said.
    """

    model_config = ConfigDict(strict=True)

    parts: dict[str, NonNegativeInt | None]


def read_manifest(uri: str) -> dict[str, int | None]:
    """The parts that a manifest lists, with their numbers of rows.

    Raises:
        DataError: If it is no manifest.
    """
    try:
        return Manifest.model_validate_json(read_bytes(uri)).parts
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(
            f"not a manifest: {f'{place}: ' if place else ''}{first['msg']}",
            where=uri,
            allowed='{"parts": {"part-0.parquet": 1200, "part-1.parquet": null}}',
            fix="land it again",
        ) from None
