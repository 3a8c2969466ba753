"""What the API counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from nightshift.serving.served_model import ServedModel

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.04, 0.1, 0.25, 1, 5, 30)  # seconds


class Telemetry:
    """The counters of one API, which its own `/metrics` answers with; nothing is sent anywhere."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        names = ("model", "route", "status")
        self._requests = Counter("nightshift_requests", "Requests answered.", names, registry=self._registry)
        self._seconds = Histogram(
            "nightshift_request_seconds",
            "Seconds from a request to its answer.",
            ("model", "route"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._rows = Counter("nightshift_rows", "Rows sent.", ("model", "result"), registry=self._registry)
        self._champion = Gauge(
            "nightshift_champion_version", "The version that answers; 0: none.", ("model",), registry=self._registry
        )
        self._problem = Gauge(
            "nightshift_champion_problem",
            "1 while the registry cannot be followed, or there is no champion.",
            ("model",),
            registry=self._registry,
        )

    def count_request(self, model: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self._requests.labels(model, route, status).inc()
        self._seconds.labels(model, route).observe(seconds)

    def count_rows(self, model: str, scored: int, refused: int) -> None:
        """Counts the rows of a request."""
        self._rows.labels(model, "scored").inc(scored)
        if refused:
            self._rows.labels(model, "refused").inc(refused)

    def show(self, model: ServedModel) -> None:
        """Shows which version of a model answers."""
        self._champion.labels(model.name).set(model.champion.number if model.champion else 0)
        self._problem.labels(model.name).set(bool(model.problem))

    def text(self) -> bytes:
        """The counters in Prometheus's format."""
        return generate_latest(self._registry)
