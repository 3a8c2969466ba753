"""The upper tail of a simulated statistic, smoothed so that it reaches beyond what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nightshift.monitoring.profile import Vector

START = 0.05  # the share of draws that the tail is fitted to
STEEPEST, FLATTEST = -0.3, 0.3  # of the shapes: statistics of counts have neither a near end nor infinite moments
FEW = 50  # excesses, of which no shape is told


@dataclass(frozen=True)
class Tail:
    """A generalised Pareto distribution above a threshold.

    Attributes:
        start: Where it starts.
        share: The share of draws above.
        scale: Its scale; 0 if nothing was above.
        shape: Its shape; 0 is exponential.
    """

    start: float
    share: float
    scale: float
    shape: float

    @classmethod
    def fit(cls, drawn: Vector) -> Tail:
        """Fits to draws by probability-weighted moments.

        Source: J. Hosking, J. Wallis, Parameter and quantile estimation for the generalized Pareto distribution,
        Technometrics 29 (1987).
        """
        place = int(np.ceil((len(drawn) - 1) * (1 - START)))
        start = float(np.partition(drawn, place)[place])
        above = np.sort(drawn[drawn > start]) - start
        share, count = len(above) / len(drawn), len(above)
        if count == 0:
            return cls(start, 0.0, 0.0, 0.0)
        mean = float(above.mean())
        if count < FEW:
            return cls(start, share, mean, 0.0)
        weighted = float((above * (1 - (np.arange(1, count + 1) - 0.35) / count)).mean())
        shape = float(np.clip(2 - mean / (mean - 2 * weighted), STEEPEST, FLATTEST)) if mean != 2 * weighted else 0.0
        return cls(start, share, mean * (1 - shape), shape)

    def chance(self, values: Vector) -> Vector:
        """The probability of exceeding a value; 1 below the tail's start."""
        found = np.ones_like(values)
        beyond = values > self.start
        found[beyond] = self._beyond(values[beyond] - self.start)
        return found

    def _beyond(self, above: Vector) -> Vector:
        if not self.scale:
            return np.zeros_like(above)
        if abs(self.shape) < 1e-9:
            return np.asarray(self.share * np.exp(-above / self.scale))
        return np.asarray(self.share * np.maximum(1 + self.shape * above / self.scale, 0.0) ** (-1 / self.shape))

    def quantile(self, level: float) -> float:
        """What is exceeded with a probability below `START`."""
        if not self.scale or level >= self.share:
            return self.start
        if abs(self.shape) < 1e-9:
            return self.start + self.scale * float(np.log(self.share / level))
        return self.start + self.scale / self.shape * float((self.share / level) ** self.shape - 1)
