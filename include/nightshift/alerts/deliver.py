"""Delivers alerts: always to the file, and wherever else the settings say."""

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
    """Tells an incident once, on every configured channel; one that fails does not keep the others from it.

    Returns:
        The channels that took it; none if it had been told before.
    """
    told = []
    try:
        if not _append(alert, settings):
            return []
        told.append("file")
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
            told.append(name)
        except Exception as error:  # whatever it is, the other channels are still to be tried
            # The address may carry a secret: say which channel, not where.
            log.error("alert %s could not be delivered by %s: %s", alert.incident, name, type(error).__name__)
    return told


def read_alerts(settings: Settings) -> list[dict[str, str | None]]:
    """Every alert told so far, oldest first."""
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
        if any(known["incident"] == alert.incident for known in read_alerts(settings)):
            return False
        text = settings.alerts_file.read_text() if settings.alerts_file.exists() else ""
        with settings.alerts_file.open("a") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(alert.to_json()) + "\n")
    return True


def _post(alert: Alert, url: str) -> None:
    httpx.post(url, json={"text": alert.text(), **alert.to_json()}, timeout=10).raise_for_status()


def _mail(alert: Alert, smtp: SmtpSettings) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(f"[nightshift] {alert.what}".split())
    message["From"], message["To"] = smtp.sender, ", ".join(smtp.to)
    message.set_content(alert.text())
    with smtplib.SMTP(str(smtp.host), smtp.port, timeout=10) as server:
        if smtp.starttls:
            server.starttls()
        if smtp.user and smtp.password:
            server.login(smtp.user, smtp.password.get_secret_value())
        server.send_message(message)
