"""The part of Airflow's REST API that the replay uses."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random_exponential

from nightshift.errors import TransientError

ENDED = {"success", "failed"}


def _is_retryable(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500  # SQLite answers 503 now and then while it is busy
    return isinstance(error, httpx.TransportError)


class AirflowApi:
    """A logged-in client.

    Args:
        url: Address of the API server.
        user: Name of the user.
        password: The user's password.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30)
        self._login = {"username": user, "password": password}

    def pool(self, name: str, slots: int, description: str) -> None:
        """Creates a pool, or sets its size."""
        body = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self._call("POST", "/pools", json=body, accept={409}) is None:
            self._call("PATCH", f"/pools/{name}", json={"pool": name, "slots": slots, "include_deferred": False})

    def unpause(self, dag_id: str) -> bool:
        """Unpauses a DAG; returns false if Airflow has not parsed it yet."""
        return self._call("PATCH", f"/dags/{dag_id}", json={"is_paused": False}, accept={404}) is not None

    def import_errors(self) -> dict[str, str]:
        """Every DAG file that could not be imported, and why."""
        errors = self._call("GET", "/importErrors")["import_errors"]
        return {error["filename"]: error["stack_trace"] for error in errors}

    def run(self, dag_id: str, run_id: str) -> dict[str, Any] | None:
        """A run, if it exists."""
        run: dict[str, Any] | None = self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}", accept={404})
        return run

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Every run of a DAG."""
        return list(self._call("GET", f"/dags/{dag_id}/dagRuns", params={"limit": 1000})["dag_runs"])

    def trigger(
        self,
        dag_id: str,
        run_id: str,
        *,
        partition_key: str | None = None,
        run_after: datetime | None = None,
        conf: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Starts a run; if the run exists, clears it if it failed and leaves it alone otherwise."""
        run = self.run(dag_id, run_id)
        if run is None:
            body = {"dag_run_id": run_id, "logical_date": None, "partition_key": partition_key, "conf": conf or {}}
            if run_after is not None:
                body["run_after"] = run_after.isoformat()
            run = self._call("POST", f"/dags/{dag_id}/dagRuns", json=body, accept={409})
        elif run["state"] == "failed":
            self.clear(dag_id, run_id)
        return run or self.run(dag_id, run_id) or {}

    def clear(self, dag_id: str, run_id: str) -> None:
        """Clears every task of a run, so that it starts again: a failed audit needs its rows staged again."""
        self._call("POST", f"/dags/{dag_id}/dagRuns/{run_id}/clear", json={"dry_run": False, "only_failed": False})

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        return list(self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"])

    def _call(self, method: str, path: str, *, accept: Collection[int] = (), **kwargs: Any) -> Any:
        try:
            return self._request(method, f"/api/v2{path}", accept, **kwargs)
        except httpx.HTTPStatusError as error:
            response = f"{error.response.status_code} {error.response.text[:300]}"
            raise TransientError(f"Airflow refused {method} {path}: {response}") from None
        except httpx.TransportError as error:
            raise TransientError(f"Airflow does not answer {method} {path}: {type(error).__name__}") from None

    @retry(
        retry=retry_if_exception(_is_retryable),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(90),
        reraise=True,
    )
    def _request(self, method: str, path: str, accept: Collection[int], **kwargs: Any) -> Any:
        if "Authorization" not in self._client.headers:
            answer = self._client.post("/auth/token", json=self._login).raise_for_status()
            self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        response = self._client.request(method, path, **kwargs)
        if response.status_code == 401:
            del self._client.headers["Authorization"]  # the token has expired
            return self._request(method, path, accept, **kwargs)
        if response.status_code in accept:
            return None
        response.raise_for_status()
        return response.json()
