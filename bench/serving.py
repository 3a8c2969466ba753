"""Measurements of the API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from statistics import median

import httpx
import psutil
import pyarrow as pa
import pyarrow.ipc

from bench.events import FIRST, Volume, due, publish_raw
from bench.features import MODELS, build_features
from bench.http_load import Connection, free_port, request_bytes, send_at_once, send_at_rate
from bench.readings import generate_readings, readings_project, register_champion
from bench.registry import Bench, Figure, measurement
from nightshift.project import Project
from nightshift.serving.arrow_body import CONTENT_TYPE as ARROW
from nightshift.settings import PROJECT, Settings

RATE, OBSERVED_RATE, SECONDS = 200, 20, 30  # of the loads whose latency is measured
CLOSED, CONNECTIONS = 5_000, 4  # requests of the load whose throughput is measured
MANY, BATCH = 100_000, 10_000
ROUNDS = 3
MIB = 2**20


@measurement("serving.features")
def features(bench: Bench) -> list[Figure]:
    """The API of `nightshift serve` on one core with one worker, asked from the other, for gradient boosting of 100
    trees and 24 features.

    Latency from when a request of one row was due, at 200 a second, to the end of its answer. Throughput of one row a
    request over four connections, in turns with `mlflow models serve` of the same version, which has one worker on the
    same core. Rows a second of requests of 10,000 rows, as a stream of Arrow and as JSON, in turns with the same rows
    scored in one process on that core from a table in memory. Memory after 100,000 requests against that after 1,000.
    """
    project = readings_project(bench.var)
    bench.say("training")
    register_champion(project)
    rows = generate_readings(project, BATCH, 7).select(list(project.definition.feature_types))
    ones = [_request(rows.slice(place, 1)) for place in range(1_000)]
    batches = {"Arrow": _arrow_request(rows), "JSON": _request(rows)}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        with _serving(project, bench.var, cores[0]) as (port, process):
            bench.say("latency of one row")
            send_at_once(port, ones, 1)
            count = round(RATE * SECONDS * bench.scale)
            latency = send_at_rate(port, _cycle(ones, count), RATE)
            before = psutil.Process(process.pid).memory_info().rss
            ours, theirs = _throughputs(bench, project, port, ones, cores[0])
            seconds, local = _batches(bench, project, port, batches, rows, cores[0])
            bench.say(f"{MANY:,} requests")
            send_at_once(port, _cycle(ones, round(MANY * bench.scale)), CONNECTIONS)
            after = psutil.Process(process.pid).memory_info().rss
    finally:
        os.sched_setaffinity(0, cores)
    p99, speed = latency.percentile(0.99), median(ours) / median(theirs)
    return [
        Figure(
            "A request of one row, 200 a second",
            "p99 ≤ 15 ms",
            f"p50 {latency.percentile(0.5) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms",
            f"{p99 * 1000:.1f} ms",
            p99 <= 0.015,
        ),
        Figure(
            "Requests of one row, 4 connections",
            "≥ 3 × mlflow models serve",
            f"{median(ours):,.0f} and {median(theirs):,.0f} requests a second",
            f"{speed:.1f}",
            speed >= 3,
        ),
        *(_share(format, taken, local) for format, taken in seconds.items()),
        Figure(
            f"Memory after {MANY:,} requests",
            "flat",
            f"{before / MIB:.0f} MiB before, {after / MIB:.0f} MiB after",
            f"{after / before:.2f}",
            after <= 1.1 * before,
        ),
    ]


@measurement("serving.observations")
def observations(bench: Bench) -> list[Figure]:
    """The API of `nightshift serve` on one core, asked from the other for the scores of observations: 31 windowed
    features of payments, from the state of a night with 3 million payments in 60 days and 30,000 accounts.

    Latency from when a request of one observation was due, at 20 a second, to the end of its answer. Seconds to load
    the state of the night, by the first request.
    """
    project = Project("payments", Settings(home=PROJECT, var=bench.var, models_folder=MODELS))
    volume, night = Volume.of(round(3e6 * bench.scale), 60), FIRST + timedelta(days=59)
    bench.say("generating payments")
    publish_raw(project.lake, project.definition, volume, FIRST, night)
    build_features(project, night, night, bench.say)
    register_champion(project)
    rows = due(volume, night).slice(0, 500)
    requests = [
        _request(rows.slice(place, 1), f"/models/{project.definition.name}/score") for place in range(len(rows))
    ]
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[1:] or cores)
    try:
        with _serving(project, bench.var, cores[0]) as (port, process):
            bench.say("loading the night's state")
            first = send_at_once(port, requests[:1], 1)
            send_at_once(port, requests, 1)
            bench.say("latency of one observation")
            latency = send_at_rate(
                port, _cycle(requests, max(50, round(OBSERVED_RATE * SECONDS * bench.scale))), OBSERVED_RATE
            )
            memory = psutil.Process(process.pid).memory_info().rss
    finally:
        os.sched_setaffinity(0, cores)
    p99 = latency.percentile(0.99)
    result = f"p50 {latency.percentile(0.5) * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms; the state is loaded in "
    result += f"{first.elapsed:.1f} s, and the process has {memory / MIB:.0f} MiB"
    name = "A request of one observation, 20 a second"
    return [Figure(name, "p99 ≤ 40 ms", result, f"{p99 * 1000:.1f} ms", p99 <= 0.04)]


def _throughputs(
    bench: Bench, project: Project, port: int, requests: Sequence[bytes], core: int
) -> tuple[list[float], list[float]]:
    """Requests a second of our API and of MLflow's server, in turns; both are on the same core."""
    ours, theirs = [], []
    with _mlflow_serving(project, bench.var, core) as other:
        for number in range(ROUNDS):
            bench.say(f"throughput, {number + 1} of {ROUNDS}")
            count = max(100, round(CLOSED * bench.scale))
            ours.append(send_at_once(port, _cycle(requests, count), CONNECTIONS).rate)
            theirs.append(send_at_once(other, _cycle(requests, count // 5), CONNECTIONS).rate)
    return ours, theirs


def _share(format: str, seconds: Sequence[float], local: Sequence[float]) -> Figure:
    """The rate of large requests against that in one process."""
    share = median(local) / median(seconds)
    return Figure(
        f"{BATCH:,} rows a request, {format}",
        "≥ 0.5 × in process",
        f"{BATCH / median(seconds):,.0f} and {BATCH / median(local):,.0f} rows a second",
        f"{share:.2f}",
        share >= 0.5,
    )


def _batches(
    bench: Bench, project: Project, port: int, requests: dict[str, bytes], rows: pa.Table, core: int
) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of large requests, by their format, and of the same rows in one process, in turns."""
    seconds: dict[str, list[float]] = {format: [] for format in requests}
    local: list[float] = []
    champion = project.champions.require_champion()
    package = project.registry.package(champion.run_id, champion.digest)
    expected = package.score(rows).tolist()
    connection, others = Connection(port), os.sched_getaffinity(0)
    for number in range(5 * ROUNDS):
        bench.say(f"large requests, {number + 1} of {5 * ROUNDS}")
        for format, request in requests.items():
            start = time.perf_counter()
            body = connection.send(request)
            seconds[format].append(time.perf_counter() - start)
            answered = [row["score"] for row in json.loads(body)["predictions"]]
            assert answered == expected, "the API gives other scores"
        os.sched_setaffinity(0, {core})
        start = time.perf_counter()
        package.score(rows)
        local.append(time.perf_counter() - start)
        os.sched_setaffinity(0, others)
    connection.close()
    return seconds, local


def _request(rows: pa.Table, path: str = "/invocations") -> bytes:
    data = {"columns": rows.column_names, "data": [list(row.values()) for row in rows.to_pylist()]}
    return request_bytes(path, json.dumps({"dataframe_split": data}).encode())


def _arrow_request(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return request_bytes("/invocations", bytes(sink.getvalue()), ARROW)


def _cycle(requests: Sequence[bytes], count: int) -> list[bytes]:
    return [requests[number % len(requests)] for number in range(count)]


@contextmanager
def _serving(project: Project, var: Path, core: int) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [str(Path(sys.executable).parent / "nightshift"), "serve", project.definition.name, "--port", str(port)]
    with _started(command, project.settings.as_environment(), var / "serve.log", core) as process:
        _wait(f"http://127.0.0.1:{port}/ready")
        yield port, process


@contextmanager
def _mlflow_serving(project: Project, var: Path, core: int) -> Iterator[int]:
    port = free_port()
    model = f"models:/{project.definition.name}@champion"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    environment = {
        "MLFLOW_TRACKING_URI": project.settings.tracking_uri,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT / "include"),
        **project.settings.as_environment(),
    }
    with _started([*command, "-p", str(port), "-w", "1"], environment, var / "mlflow.log", core):
        _wait(f"http://127.0.0.1:{port}/ping")
        yield port


@contextmanager
def _started(
    command: Sequence[str], environment: dict[str, str], log: Path, core: int
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def _wait(address: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.2)
    raise TimeoutError(address)
