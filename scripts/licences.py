"""Writes docs/licences.md: the licence of every locked package, by what the installed package says of itself.

python scripts/licences.py > docs/licences.md
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LOCKS = {"requirements.txt": "in production", "requirements-dev.txt": "for development, examples and export"}
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", re.MULTILINE)

# Packages of other systems and releases of Python, which are not installed where this runs.
NOT_INSTALLED = {
    "async-timeout": "Apache-2.0",
    "pywin32": "PSF-2.0",
    "pyyaml-ft": "MIT",
    "waitress": "ZPL-2.1",
    "xgboost": "Apache-2.0",
}
# Packages that name their licence by a file alone.
BY_FILE = {"huey": "MIT", "skops": "MIT"}
# Other words for the identifiers of SPDX.
IDENTIFIERS = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2": "Apache-2.0",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD License": "BSD",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
COPYLEFT = re.compile(r"\b(A?L?GPL|MPL|EPL|CDDL|EUPL)")

HEAD = """# Licences

Nightshift is licensed under [Apache-2.0](../LICENSE). This page lists the licence of every package of its lock, as the
package itself states it; `make licences` writes it. `make install` and the image verify the hash of each against the
lock.
"""
OBLIGED = """
Packages under a licence that obliges those who change the package; Nightshift changes none:
{packages}.
"""


def locked_packages(lock: Path) -> dict[str, str]:
    """The packages of a lock with their versions; with several for different systems, the last."""
    return dict(PIN.findall(lock.read_text()))


def licence_of(name: str) -> str:
    """A package's licence: by its expression, else by its classifiers, else by its free text.

    Raises:
        SystemExit: If nothing says it.
    """
    try:
        stated = _stated_licence(distribution(name))
    except PackageNotFoundError:
        stated = NOT_INSTALLED.get(name, "")
    if not (licence := stated or BY_FILE.get(name, "")):
        raise SystemExit(f"{name} states no licence; look for it, and add it to scripts/licences.py")
    return licence


def page() -> str:
    """The page's text."""
    parts, obliged, before = [HEAD], set[str](), set[str]()
    for lock, purpose in LOCKS.items():
        packages = {name: version for name, version in locked_packages(PROJECT / lock).items() if name not in before}
        before |= packages.keys()
        licences = {name: licence_of(name) for name in sorted(packages)}
        obliged |= {f"{name} ({licence})" for name, licence in licences.items() if COPYLEFT.search(licence)}
        rows = "".join(f"| {name} | {packages[name]} | {licence} |\n" for name, licence in licences.items())
        parts.append(f"\n## Packages {purpose}\n\n| package | version | licence |\n|---|---|---|\n{rows}")
    parts.insert(1, OBLIGED.format(packages=", ".join(sorted(obliged))))
    return "".join(parts)


def _stated_licence(package: Distribution) -> str:
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = metadata.get_all("Classifier") or []
    named = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith("License ::")]
    named = [name for name in named if name not in ("OSI Approved", "Other/Proprietary License")]
    text = str(metadata.get("License") or "").strip().partition("\n")[0]
    return " OR ".join(IDENTIFIERS.get(name, name) for name in named or filter(None, [text]))


if __name__ == "__main__":
    sys.stdout.write(page())
