"""Manifests: the JSON files by which senders list the parts of a date."""

from __future__ import annotations

import json

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from nightshift.errors import DataError, NotYetAvailable, first_line
from nightshift.lake.files import read_bytes
from nightshift.lake.json_lines import unique_keys


class PartsManifest(BaseModel):
    """A manifest; what else stands in it is ignored.

    Attributes:
        parts: The number of rows of each part, by its path below the manifest's folder; None where it is not said.
    """

    model_config = ConfigDict(strict=True)

    parts: dict[str, NonNegativeInt | None]


def read_manifest(uri: str) -> dict[str, int | None]:
    """The parts that a manifest lists, with their numbers of rows.

    Raises:
        NotYetAvailable: If it has not landed.
        DataError: If it is no manifest.
    """
    try:
        return PartsManifest.model_validate(json.loads(read_bytes(uri), object_pairs_hook=unique_keys)).parts
    except FileNotFoundError:
        raise NotYetAvailable("the manifest has not landed", where=uri) from None
    except (ValueError, RecursionError) as error:  # those of pydantic, too, and brackets without end
        raise DataError(
            f"not a manifest: {_reason(error)}",
            where=uri,
            allowed='{"parts": {"part-0.parquet": 1200, "part-1.parquet": null}}',
            fix="land it again",
        ) from None


def _reason(error: ValueError | RecursionError) -> str:
    if not isinstance(error, ValidationError):
        return "nested too deeply" if isinstance(error, RecursionError) else first_line(error)
    first = error.errors()[0]
    return ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
