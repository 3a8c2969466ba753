"""Every fault, by name: importing a module of faults registers them."""

from __future__ import annotations

from corpus import columns, files, sets, values
from corpus.fault import FAULTS

__all__ = ["FAULTS", "columns", "files", "sets", "values"]
