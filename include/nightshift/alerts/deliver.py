"""Delivers alerts: always to the file, and to the channels that the settings configure."""

from __future__ import annotations

import json
import logging

from filelock import FileLock

from nightshift.alerts.alert import Alert
from nightshift.alerts.channels import CHANNELS
from nightshift.lake.files import as_uri, write_bytes
from nightshift.settings import Settings

log = logging.getLogger(__name__)


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
    for name, channel in CHANNELS.items():
        if (send := channel(settings.alerts)) is None:
            continue
        try:
            send(alert)
            delivered.append(name)
        except Exception as error:  # of any kind: the remaining channels are still tried
            # The address may contain a secret: log the channel, not the address.
            log.error("alert %s could not be delivered by %s: %s", alert.incident, name, type(error).__name__)
    return delivered


def read_alerts(settings: Settings) -> list[dict[str, str | None]]:
    """Every alert delivered so far, oldest first."""
    if not settings.alerts_file.exists():
        return []
    return [alert for line in settings.alerts_file.read_text().splitlines() if (alert := _parse(line))]


def remove_alerts(settings: Settings, model: str) -> int:
    """Removes the alerts of a model from the file, and counts them."""
    if not any(alert["model"] == model for alert in read_alerts(settings)):
        return 0
    with FileLock(settings.alerts_file.with_suffix(".lock")):
        alerts = read_alerts(settings)
        remaining = [alert for alert in alerts if alert["model"] != model]
        write_bytes(as_uri(settings.alerts_file), "".join(json.dumps(alert) + "\n" for alert in remaining).encode())
    return len(alerts) - len(remaining)


def _parse(line: str) -> dict[str, str | None] | None:
    try:
        return dict(json.loads(line))
    except ValueError:
        return None  # truncated by a full disk


def _append(alert: Alert, settings: Settings) -> bool:
    """Adds the alert to the file; False if its incident is there already."""
    settings.alerts_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.alerts_file.with_suffix(".lock")):
        if any(earlier["incident"] == alert.incident for earlier in read_alerts(settings)):
            return False
        text = settings.alerts_file.read_text() if settings.alerts_file.exists() else ""
        with settings.alerts_file.open("a") as file:
            file.write(("\n" if text and not text.endswith("\n") else "") + json.dumps(alert.to_json()) + "\n")
    return True
