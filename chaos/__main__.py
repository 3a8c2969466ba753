"""Runs nights whose tasks are killed, and compares them with undisturbed ones: python -m chaos [--nights 15]."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from chaos.attempts import Attempts, Counts, start_fork_server
from chaos.clock import Clock, compile_library
from chaos.installation import Installation, check
from chaos.steps import STEPS
from nightshift.settings import PROJECT
from nightshift.terminal import print_table

# How new versions are promoted in the installations that run at once: first in one alone, then in two.
ROUNDS = (("in shadow",), ("in shadow", "by approval"))

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def main(
    nights: Annotated[int, typer.Option(min=1, help="Nights of each installation.")] = 15,
    seed: Annotated[int, typer.Option(help="Chooses the instants.")] = 1,
    clock: Annotated[bool, typer.Option(help="Have the tasks' clock jump, too.")] = True,
) -> None:
    """Kill tasks at random instants; the exit code is 1 if anything then differs from undisturbed runs."""
    with _folder() as folder, _progress() as progress:
        library = compile_library(folder) if clock else None
        if clock and library is None:
            console.print(
                "the tasks' clock stays right: it is set wrong on Linux, and by a library that takes a C compiler (cc)"
            )
        start_fork_server(library)
        undisturbed = {
            promotion: Installation(Attempts(folder / promotion), promotion, nights)
            for promotion in sorted(set(chain(*ROUNDS)))
        }
        for installation in undisturbed.values():
            _run(installation, f"undisturbed, {installation.promotion}", progress)
        problems, counts = list[str](), list[Counts]()
        for number, promotions in enumerate(ROUNDS, 1):
            installations = [
                _disturbed(folder / f"{number}.{place}", undisturbed[promotion], f"{seed} {number} {place}", library)
                for place, promotion in enumerate(promotions, 1)
            ]
            with ThreadPoolExecutor(len(installations)) as pool:
                titles = [f"killed, {installation.promotion}" for installation in installations]
                stopped = list(pool.map(_run, installations, titles, [progress] * len(installations)))
                counts += [installation.attempts.counts for installation in installations]
            for installation, lines in zip(installations, stopped, strict=True):
                # One that needed a person has not run all of its tasks.
                problems += lines or check(installation, undisturbed[installation.promotion])
    _show(counts)
    for problem in problems:
        console.print(problem, style="red", markup=False, soft_wrap=True)
    kills, jumps = (sum(getattr(count, column).total() for count in counts) for column in ("kills", "jumps"))
    done = f"{kills:,} kills, {jumps:,} jumps of the clock"
    console.print(f"{len(counts)} installations of {nights} nights, {done}: {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


def _disturbed(folder: Path, undisturbed: Installation, seed: str, library: Path | None) -> Installation:
    clock = Clock(folder / "clock", random.Random(f"{seed} clock")) if library else None
    attempts = Attempts(folder, random.Random(seed), seconds=undisturbed.attempts.seconds, clock=clock)
    return Installation(attempts, undisturbed.promotion, undisturbed.nights)


def _run(installation: Installation, title: str, progress: Progress) -> list[str]:
    """Runs an installation; what needed a person."""
    bar = progress.add_task(title, total=len(installation.steps))
    _log(f"{title}: {len(installation.steps)} tasks begin")
    problems = installation.run(lambda: progress.advance(bar))
    counts = installation.attempts.counts
    _log(f"{title}: {counts.tasks.total()} tasks ended, {counts.kills.total()} kills")
    return problems


def _log(line: str) -> None:
    """Prints a line with the time where the output is no terminal, which would show a bar."""
    if not console.is_terminal:
        console.print(f"{datetime.now():%H:%M:%S} {line}", soft_wrap=True)


def _show(counts: list[Counts]) -> None:
    table = Table("task", "ended", "killed", "tried again", "twice at once", "clock jumped", header_style="bold")
    for name in STEPS:
        columns = ("tasks", "kills", "retries", "twice", "jumps")
        table.add_row(name, *(str(sum(getattr(count, column)[name] for count in counts)) for column in columns))
    print_table(console, table)


def _progress() -> Progress:
    columns = ("{task.description}", MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder below `var/chaos` for everything, removed afterwards."""
    parent = PROJECT / "var" / "chaos"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    app()
