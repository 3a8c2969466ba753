"""Measures, shows how far it is, and keeps the results: python -m bench [features.nightly …] [--scale 0.01]."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

import bench.definitions
import bench.features
import bench.many_models
import bench.monitoring
import bench.night
import bench.quality
import bench.scoring
import bench.serving
import bench.small_nights
import bench.training  # noqa: F401
from bench.record import COLUMNS, keep, machine
from bench.registry import MEASUREMENTS, Bench, Figure
from nightshift.errors import NightshiftError
from nightshift.settings import PROJECT

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False)


@app.command()
def measure(
    names: Annotated[list[str] | None, typer.Argument(help="Measurements or groups; all if left out.")] = None,
    scale: Annotated[float, typer.Option(help="Share of the full size; below 1 nothing is kept.")] = 1.0,
) -> None:
    """Measure against the bars; the exit code is 1 if one is missed."""
    chosen = [name for name in MEASUREMENTS if not names or {name, name.split(".")[0]} & set(names)]
    if not chosen:
        raise typer.BadParameter(f"there are: {', '.join(MEASUREMENTS)}")
    met = [_met(name, scale) for name in chosen]
    raise typer.Exit(0 if all(met) else 1)


def _met(name: str, scale: float) -> bool:
    """Whether every figure of a measurement reached its bar; one that fails does not keep the others from theirs."""
    try:
        return all(figure.met for figure in _measure(name, scale))
    except NightshiftError as error:
        console.print(str(error), style="red", markup=False)
        return False


def _measure(name: str, scale: float) -> list[Figure]:
    console.print(f"[bold]{name}[/bold]")
    where = machine()
    with _folder(name) as var, console.status(name) as status:
        given = Bench(
            var, scale, lambda text: status.update(f"{name}: {text}"), lambda text: console.print(f"  {text}")
        )
        figures = MEASUREMENTS[name](given)
    _show(figures)
    if scale == 1.0:
        keep(name, figures, where, date.today(), MEASUREMENTS)
    else:
        console.print(f"[dim]not kept: {scale:g} of the full size[/dim]")
    return figures


def _show(figures: list[Figure]) -> None:
    table = Table(*COLUMNS[:5], header_style="bold")
    for one in figures:
        table.add_row(one.figure, one.bar, one.result, one.ratio, "yes" if one.met else "[red]no[/red]")
    console.print(table)


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    """A folder below `var/bench` for a measurement's state, removed afterwards."""
    parent = PROJECT / "var" / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that it tidies up
    app()
