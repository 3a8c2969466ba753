"""A standalone Spark cluster of the tests' own: a master and workers from PyPI's pyspark."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyspark
from servers import free_port, wait_for


class SparkCluster:
    """A running cluster.

    Attributes:
        folder: Where the workers work, and log.
        master: Its address.
        workers: The processes of its workers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._port, self._page = folder, free_port(), free_port()
        self.master = f"spark://127.0.0.1:{self._port}"
        self.workers: list[subprocess.Popen[bytes]] = []
        address = ["--host", "127.0.0.1", "--port", str(self._port), "--webui-port", str(self._page)]
        self._master = self._start("master", "org.apache.spark.deploy.master.Master", *address)
        self.wait(lambda: self._alive_workers() is not None)

    def add_workers(self, number: int) -> None:
        """Starts workers of a core each and waits until the master knows them."""
        for _ in range(number):
            name = f"worker{len(self.workers)}"
            limits = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
            limits += ["--work-dir", str(self.folder / name)]
            self.workers.append(self._start(name, "org.apache.spark.deploy.worker.Worker", *limits, self.master))
        self.wait(lambda: self._alive_workers() == len(self.workers))

    def wait(self, condition: Callable[[], object]) -> None:
        """Waits until something holds."""
        wait_for(condition, seconds=120, every=0.2, logs=self.folder)

    def computing_worker(self) -> subprocess.Popen[bytes] | None:
        """A worker on which Python code has started to run, if there is one."""
        for worker in self.workers:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(worker.pid).children(recursive=True):
                    if "pyspark.daemon" in " ".join(child.cmdline()):
                        return worker
        return None

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a master or worker by SIGKILL, with the executors it has started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in (*self.workers, self._master):
            self.kill(process)

    def _alive_workers(self) -> int | None:
        """How many workers the master knows; None if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._page}/json/", timeout=5) as page:
                return int(json.load(page)["aliveworkers"])
        except OSError:
            return None

    def _start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        home = Path(pyspark.__file__).parent
        environment = os.environ | {
            "SPARK_HOME": str(home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(
                [str(home / "bin" / "spark-class"), *command],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


@contextmanager
def spark_cluster(folder: Path) -> Iterator[SparkCluster]:
    """A cluster without workers, which is gone afterwards."""
    cluster = SparkCluster(folder)
    try:
        yield cluster
    finally:
        cluster.stop()
