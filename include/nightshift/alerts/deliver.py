"""Delivers alerts: always to the file, and to the channels that the settings name."""

from __future__ import annotations

import json
import logging
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial

import httpx
from filelock import FileLock

from nightshift.alerts.alert import Alert
from nightshift.settings import Settings, SmtpSettings

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and a webhook's is a secret


def deliver(alert: Alert, settings: Settings) -> list[str]:
    """Delivers an incident once, to every configured channel; a channel that fails does not stop the rest.

    Returns:
        The channels that accepted it; none if it had been delivered before.
    """
    delivered = []
    try:
        if not _append(alert, settings):
            return []
        delivered.append("file")
    except OSError as error:
        log.error("alert %s could not be delivered by file: %s", alert.incident, error)
    channels: dict[str, Callable[[], None]] = {}
    if (url := settings.alerts.webhook_url) is not None:
        channels["webhook"] = partial(_post, alert, url.get_secret_value())
    if settings.alerts.smtp.host:
        channels["mail"] = partial(_mail, alert, settings.alerts.smtp)
    for name, send in channels.items():
        try:
            send()
            delivered.append(name)
        except Exception as error:  # of any kind: the remaining channels are still tried
            # The address may carry a secret: say which channel, not where.
            log.error("alert %s could not be delivered by %s: %s", alert.incident, name, type(error).__name__)
    return delivered


def read_alerts(settings: Settings) -> list[dict[str, str | None]]:
    """Every alert delivered so far, oldest first."""
    if not settings.alerts_file.exists():
        return []
    return [alert for line in settings.alerts_file.read_text().splitlines() if (alert := _parse(line))]


def _parse(line: str) -> dict[str, str | None] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None  # cut off by a full disk


def _append(alert: Alert, settings: Settings) -> bool:
    settings.alerts_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.alerts_file.with_suffix(".lock")):
        if any(earlier["incident"] == alert.incident for earlier in read_alerts(settings)):
            return False
        text = settings.alerts_file.read_text() if settings.alerts_file.exists() else ""
        with settings.alerts_file.open("a") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(alert.to_json()) + "\n")
    return True


def _post(alert: Alert, url: str) -> None:
    httpx.post(url, json={"text": alert.text(), **alert.to_json()}, timeout=10).raise_for_status()


def _mail(alert: Alert, smtp: SmtpSettings) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(f"[nightshift] {alert.summary}".split())
    message["From"], message["To"] = smtp.sender, ", ".join(smtp.to)
    message.set_content(alert.text())
    with smtplib.SMTP(str(smtp.host), smtp.port, timeout=10) as server:
        if smtp.starttls:
            server.starttls()
        if smtp.user and smtp.password:
            server.login(smtp.user, smtp.password.get_secret_value())
        server.send_message(message)
