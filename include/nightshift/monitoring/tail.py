"""The upper tail of a simulated statistic, smoothed so that it reaches beyond the largest draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.monitoring.profile import Vector

START = 0.05  # the share of draws that the tail is fitted to
LEAST_SHAPE, MOST_SHAPE = -0.3, 0.3  # statistics of counts have neither a near end nor infinite moments
LEAST_EXCESSES = 50  # with fewer, the tail is exponential


@dataclass(frozen=True)
class ParetoTail:
    """A generalised Pareto distribution above a threshold.

    Attributes:
        start: The threshold.
        share: The share of draws above it.
        scale: Its scale; 0 if no draw was above.
        shape: Its shape; 0 is exponential.
    """

    start: float
    share: float
    scale: float
    shape: float

    @classmethod
    def fit(cls, draws: Vector) -> ParetoTail:
        """Fits to draws by probability-weighted moments.

        Source: J. Hosking, J. Wallis, Parameter and quantile estimation for the generalized Pareto distribution,
        Technometrics 29 (1987).
        """
        position = int(np.ceil((len(draws) - 1) * (1 - START)))
        start = float(np.partition(draws, position)[position])
        excesses = np.sort(draws[draws > start]) - start
        share, count = len(excesses) / len(draws), len(excesses)
        if count == 0:
            return cls(start, 0.0, 0.0, 0.0)
        mean = float(excesses.mean())
        if count < LEAST_EXCESSES:
            return cls(start, share, mean, 0.0)
        weighted = float((excesses * (1 - (np.arange(1, count + 1) - 0.35) / count)).mean())
        shape = 0.0
        if mean != 2 * weighted:
            shape = float(np.clip(2 - mean / (mean - 2 * weighted), LEAST_SHAPE, MOST_SHAPE))
        return cls(start, share, mean * (1 - shape), shape)

    def chance(self, values: Vector) -> Vector:
        """The probability of exceeding each value; 1 below the tail's start."""
        chances = np.ones_like(values)
        beyond = values > self.start
        chances[beyond] = self._survival(values[beyond] - self.start)
        return chances

    def _survival(self, excesses: Vector) -> Vector:
        if not self.scale:
            return np.zeros_like(excesses)
        if abs(self.shape) < 1e-9:
            return np.asarray(self.share * np.exp(-excesses / self.scale))
        return np.asarray(self.share * np.maximum(1 + self.shape * excesses / self.scale, 0.0) ** (-1 / self.shape))

    def quantile(self, level: float) -> float:
        """The value that is exceeded with a probability below `START`."""
        if not self.scale or level >= self.share:
            return self.start
        if abs(self.shape) < 1e-9:
            return self.start + self.scale * float(np.log(self.share / level))
        return self.start + self.scale / self.shape * float((self.share / level) ** self.shape - 1)
