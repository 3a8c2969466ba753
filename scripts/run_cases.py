"""Runs folders of cases, each a small input with its right outcome, and prints what is expected and what happens.

    .venv/bin/python scripts/run_cases.py FOLDER [CASE ...]

A case is a folder with `EXPECTED.md`, the right outcome in words, and `run.sh`, which takes the checkout. The
scripts of cases may be older than the library: `nightshift.loop.Loop`, the class that stages once were methods of, is
provided to them in terms of today's functions.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TIMEOUT = 900  # seconds a case may take
LAST_LINES = 14  # of what a case prints

# Python imports `sitecustomize` before the script; it adds the modules that the library no longer has.
EARLIER_LIBRARY = '''
import sys
from types import ModuleType


class Finder:
    """Makes the modules of the earlier library when they are imported, not before."""

    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, self) if name in {"nightshift.loop", "nightshift.monitoring.night"} else None

    def create_module(self, spec):
        return ModuleType(spec.name)

    def exec_module(self, module):
        if module.__name__ == "nightshift.monitoring.night":
            from nightshift.monitoring.night_profile import Profiler
            module.Profiler = Profiler
            return
        from functools import cached_property

        from nightshift.project import Project
        from nightshift.registry.store import Registry
        from nightshift.stages.audit import audit
        from nightshift.stages.gate import gate
        from nightshift.stages.ingest import ingest
        from nightshift.stages.publish import publish
        from nightshift.stages.register import promote
        from nightshift.stages.train import train
        from nightshift.stages.wait import files_not_landed

        class Loop(Project):
            @cached_property
            def registry(self):
                registry = Registry(self.settings, self.definition.name)
                registry.require_champion = lambda: self.champions.require_champion()
                return registry

            def missing(self, night):
                return list(files_not_landed(self, night))

            def ingest(self, *arguments):
                return ingest(self, *arguments)

            def audit(self, *arguments):
                return audit(self, *arguments)

            def publish(self, *arguments):
                return publish(self, *arguments)

            def train(self, *arguments):
                return train(self, *arguments)

            def gate(self, *arguments):
                return gate(self, *arguments).report

            def promote(self, *arguments):
                return promote(self, *arguments)

        module.Loop = Loop


sys.meta_path.append(Finder())
'''


def run_case(folder: Path, library: Path) -> str:
    """What a case prints: its last lines."""
    environment = os.environ | {"PYTHONPATH": str(library), "PYTHONWARNINGS": "ignore"}
    command = ["bash", str(folder / "run.sh"), str(CHECKOUT)]
    process = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False, errors="replace"
    )
    lines = [line for line in (process.stdout + process.stderr).splitlines() if line.strip()]
    return "\n".join([*lines[-LAST_LINES:], f"exit code {process.returncode}"])


def main() -> None:
    """Runs the cases and prints them one after the other."""
    parser = argparse.ArgumentParser(description="Runs cases and prints what is expected and what happens.")
    parser.add_argument("folder", type=Path, help="a folder of cases")
    parser.add_argument("case", nargs="*", help="names of cases; all of them if left out")
    arguments = parser.parse_args()
    folders = sorted(file.parent for file in arguments.folder.resolve().glob("*/run.sh"))
    with tempfile.TemporaryDirectory() as library:
        (Path(library) / "sitecustomize.py").write_text(EARLIER_LIBRARY)
        for folder in folders:
            if arguments.case and folder.name not in arguments.case:
                continue
            expected = (folder / "EXPECTED.md").read_text().strip()
            sys.stdout.write(f"== {folder.name}\nexpected: {expected}\nhappens:\n{run_case(folder, Path(library))}\n\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
