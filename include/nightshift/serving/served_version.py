"""A version that answers requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nightshift.registry.package import ModelPackage


@dataclass(frozen=True)
class ServedVersion:
    """A version that answers.

    Attributes:
        number: Its number.
        digest: The digest of its package.
        package: The package, loaded.
        loaded_at: When it began to answer.
        learned_otherwise: Why the current definition does not compute its features, in words; empty if it does.
    """

    number: int
    digest: str
    package: ModelPackage
    loaded_at: datetime
    learned_otherwise: str = ""
