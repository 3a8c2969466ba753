"""Simulated holdouts: two models that score the same rows of days that are not alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.training.bootstrap import Sample


@dataclass(frozen=True)
class World:
    """How well two models see what makes a row positive.

    Attributes:
        challenger_noise: What the challenger sees beside it.
        champion_noise: What the champion sees beside it.
        days: How much days differ in what neither model sees.
        moods: How much the challenger's scores are off on a day.
    """

    challenger_noise: float
    champion_noise: float
    days: float = 0.4
    moods: float = 0.3


def scored(world: World, days: int, rows: int, seed: int) -> tuple[Sample, Sample]:
    """The challenger's and the champion's scores of so many days of so many rows each."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    visible, hidden = random.normal(size=len(day)), world.days * random.normal(size=days)
    labels = (random.uniform(size=len(day)) < _chance(1.2 * visible + hidden[day] - 1)).astype(float)
    off = world.moods * random.normal(size=days)
    challenger = _chance(1.1 * (visible + world.challenger_noise * random.normal(size=len(day))) + off[day] - 1)
    champion = _chance(1.1 * (visible + world.champion_noise * random.normal(size=len(day))) - 1)
    return Sample(labels, challenger, day), Sample(labels, champion, day)


def _chance(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def predicted(world: World, days: int, rows: int, seed: int) -> tuple[Sample, Sample]:
    """The same of numbers: delays of some minutes, of which a few are long."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    visible, hidden = random.normal(size=len(day)), world.days * random.normal(size=days)
    labels = 10 * (visible + hidden[day]) + random.exponential(12, size=len(day))
    off = 3 * world.moods * random.normal(size=days)
    challenger = 10 * (visible + world.challenger_noise * random.normal(size=len(day))) + 12 + off[day]
    champion = 10 * (visible + world.champion_noise * random.normal(size=len(day))) + 12
    return Sample(labels, challenger, day), Sample(labels, champion, day)
