"""Whether alerts are recorded, and their channels can be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from nightshift.alerts.deliver import FIELDS, FIX, FOLDER
from nightshift.doctor.examination import Examination
from nightshift.errors import NightshiftError, TerminalError, TransientError
from nightshift.json_documents import parse_object
from nightshift.settings import AlertSettings
from nightshift.state import open_state

TIMEOUT = 10  # seconds


def check_alerts(examination: Examination) -> Iterator[NightshiftError]:
    """Damaged records, and channels whose server does not answer; nothing is sent."""
    state = open_state(examination.settings)
    for name in state.names(FOLDER):
        try:
            parse_object(state.read(name) or b"", name, FIELDS, FIX)
        except TerminalError as error:
            yield error
    for variable, (host, port) in _servers(examination.settings.alerts).items():
        examination.progress(f"reaching {host}")
        try:
            socket.create_connection((host, port), TIMEOUT).close()
        except OSError as error:
            yield TransientError(
                f"alerts do not arrive: {host}:{port} does not answer: {error.strerror or type(error).__name__}",
                where=f"environment variable {variable}",
                fix="start the server, or correct the address",
            )


def _servers(alerts: AlertSettings) -> dict[str, tuple[str, int]]:
    """The host and the port of each channel's server, by the variable that names it: the rest may be a secret."""
    servers = {}
    if alerts.webhook_url:
        url = urlsplit(alerts.webhook_url.get_secret_value())
        port = url.port or {"http": 80}.get(url.scheme, 443)
        servers["NIGHTSHIFT_ALERTS__WEBHOOK_URL"] = str(url.hostname), port
    if alerts.smtp.host:
        servers["NIGHTSHIFT_ALERTS__SMTP__HOST"] = alerts.smtp.host, alerts.smtp.port
    if alerts.sns_topic:
        servers["NIGHTSHIFT_ALERTS__SNS_TOPIC"] = f"sns.{alerts.sns_topic.split(':')[3]}.amazonaws.com", 443
    return servers
