"""A small EMR Serverless of the tests' own: its REST interface, and job runs that really run as processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import RLock, Thread
from typing import Any

from nightshift.compute.job import Job
from nightshift.compute.spark_submit import ONE_NIGHT, SparkSubmit
from nightshift.settings import PROJECT, Settings, SparkSettings

DRIVER = "spark.emr-serverless.driverEnv."
ENDED = {"SUCCESS", "FAILED", "CANCELLED"}
JOB_RUN = re.compile(r"/applications/([0-9a-z]+)/jobruns(?:/([0-9a-z]+))?")


@dataclass
class JobRun:
    """A job run; each look at it takes it one state further, until its process runs."""

    number: int
    request: dict[str, Any]
    created: float
    waiting: list[str]
    state: str = "SUBMITTED"
    details: str = ""
    process: subprocess.Popen[str] | None = None
    log: Path = Path()

    @property
    def properties(self) -> dict[str, str]:
        return dict(self.request["configurationOverrides"]["applicationConfiguration"][0]["properties"])


@dataclass
class Refusal(Exception):
    status: int
    code: str
    message: str = "says the test"


@dataclass
class EmrServerlessEndpoint:
    """What the endpoint does, as a test says, and what it was asked for.

    Attributes:
        folder: Where job runs have their working folders.
        program: A line of Python that runs instead of the entry point, with its arguments; None for the real one.
        application: The application that exists.
        starts: Whether job runs ever start. One that does not was created long ago.
        refusals: Answers to the next requests instead of the real ones.
        lost_replies: So many submissions are done, and answered by a failure.
        runs: The job runs by id.
        calls: The requests, as method and operation.
    """

    folder: Path
    program: str | None = None
    application: str = "00app"
    starts: bool = True
    refusals: list[Refusal] = field(default_factory=list)
    lost_replies: int = 0
    runs: dict[str, JobRun] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            self.calls.append(method)
            if self.refusals:
                raise self.refusals.pop(0)
            match = JOB_RUN.fullmatch(path.partition("?")[0])
            if match is None or match[1] != self.application:
                raise Refusal(404, "ResourceNotFoundException", "Application does not exist")
            if method == "POST":
                return self._start(body)
            if match[2] not in self.runs:
                raise Refusal(404, "ResourceNotFoundException", "Job run does not exist")
            run = self.runs[match[2]]
            return self._cancel(match[2], run) if method == "DELETE" else self._describe(match[2], run)

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        token = body["clientToken"]
        same = {i: run for i, run in self.runs.items() if run.request["clientToken"] == token}
        for run in same.values():
            if run.request != body:
                raise Refusal(409, "ConflictException", "Client token was used with other parameters")
        if not same:
            run_id = f"00run{len(self.runs) + 1}"
            created = time.time() - (0 if self.starts else 24 * 3600)
            self.runs[run_id] = JobRun(len(self.runs) + 1, body, created, ["PENDING", "SCHEDULED"])
            same = {run_id: self.runs[run_id]}
        if self.lost_replies:
            self.lost_replies -= 1
            raise Refusal(500, "InternalServerException")
        return {"applicationId": self.application, "jobRunId": next(iter(same)), "arn": "arn:aws:emr-serverless:::run"}

    def _describe(self, run_id: str, run: JobRun) -> dict[str, Any]:
        self._go_on(run)
        described = {
            "applicationId": self.application, "jobRunId": run_id, "arn": "arn:aws:emr-serverless:::run",
            "createdBy": "tests", "createdAt": run.created, "updatedAt": time.time(), "releaseLabel": "emr-spark-8.0",
            "executionRole": run.request["executionRoleArn"], "state": run.state, "stateDetails": run.details,
            "jobDriver": run.request["jobDriver"],
        }  # fmt: skip
        return {"jobRun": described}

    def _go_on(self, run: JobRun) -> None:
        if run.state in ENDED:
            return
        if run.waiting:
            run.state = run.waiting.pop(0)
        elif run.process is None:
            if self.starts:
                run.state, run.process = "RUNNING", self._process(run)
        elif (code := run.process.poll()) is not None:
            run.state = "FAILED" if code else "SUCCESS"
            if code:
                run.details = f"Job failed, please check complete logs in configured destination. ExitCode: {code}"

    def _cancel(self, run_id: str, run: JobRun) -> dict[str, Any]:
        if run.state in ENDED:
            raise Refusal(400, "ValidationException", f"Job run is in state {run.state}")
        self._kill(run)
        run.state = "CANCELLED"
        return {"applicationId": self.application, "jobRunId": run_id}

    def _process(self, run: JobRun) -> subprocess.Popen[str]:
        folder = self.folder / f"run{run.number}"
        folder.mkdir(parents=True)
        spark, properties = run.request["jobDriver"]["sparkSubmit"], run.properties
        for archive in filter(None, properties.pop("spark.archives", "").split(",")):
            uri, _, name = archive.partition("#")
            with tarfile.open(uri.removeprefix("file://")) as packed:
                packed.extractall(folder / name, filter="data")
        # The environment of another machine: what the request says, and nothing of ours but where Java is.
        environment = {name: os.environ[name] for name in ("HOME", "JAVA_HOME", "LANG") if name in os.environ}
        environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SPARK_LOCAL_IP": "127.0.0.1"}
        environment |= {k.removeprefix(DRIVER): v for k, v in properties.items() if k.startswith(DRIVER)}
        command = [sys.executable, "-I", "-S", "-c", self.program or ""]
        if self.program is None:
            # With the flags of a job on this machine, which halve its start.
            here = Settings(home=PROJECT, spark=SparkSettings(master="local[1]"))
            *command, _ = SparkSubmit(here).command(Job("any"))
            environment["SPARK_LAUNCHER_OPTS"] = ONE_NIGHT
            for key, value in properties.items():
                command += ["--conf", f"{key}={value}"]
            command.append(spark["entryPoint"])
        run.log = folder / "log"
        with run.log.open("w") as log:
            return subprocess.Popen(
                [*command, *spark["entryPointArguments"]], cwd=folder, env=environment, text=True,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        for run in self.runs.values():
            self._kill(run)

    def _kill(self, run: JobRun) -> None:
        if run.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(run.process.pid, signal.SIGKILL)
            run.process.wait()


def _handler(endpoint: EmrServerlessEndpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers = 200, dict[str, str]()
            try:
                reply = endpoint.answer(self.command, self.path, json.loads(body or b"{}"))
            except Refusal as refusal:
                status, headers, reply = (
                    refusal.status,
                    {"x-amzn-errortype": refusal.code},
                    {"message": refusal.message},
                )
            content = json.dumps(reply).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(content)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _reply

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: the endpoint counts its calls itself."""

    return Handler


@contextmanager
def serving(endpoint: EmrServerlessEndpoint) -> Iterator[str]:
    """The address of an endpoint that answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(endpoint))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        endpoint.stop()
