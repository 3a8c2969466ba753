"""Servers that run already, such as those of a compose stack: nothing here starts or stops them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nightshift.errors import TerminalError
from nightshift.replay.airflow_api import AirflowApi


@dataclass(frozen=True)
class RunningServers:
    """The servers of an installation that somebody else runs.

    Attributes:
        api_url: Where this process reaches Airflow.
        user: Name of the user of Airflow.
        password_file: A file with the user's password.
        airflow_url: Where people reach Airflow.
        mlflow_url: Where people reach MLflow.
    """

    api_url: str
    user: str
    password_file: Path
    airflow_url: str
    mlflow_url: str | None

    def api(self) -> AirflowApi:
        """A client that logs in as the user.

        Raises:
            TerminalError: If the file of the password cannot be read.
        """
        try:
            password = self.password_file.read_text().strip()
        except OSError as error:
            raise TerminalError(
                "the file with the password of Airflow's user cannot be read",
                where=str(self.password_file),
                received=error.strerror,
                fix="name another: --password-file",
            ) from None
        return AirflowApi(self.api_url, self.user, password)

    def start(self) -> None:
        """Does nothing: they run."""

    def start_scheduling(self) -> None:
        """Does nothing: it runs."""

    def check(self) -> None:
        """Does nothing: a server that is lost does not answer."""

    def stop(self) -> list[str]:
        """Stops none of them."""
        return []
