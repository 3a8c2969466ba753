"""Delivers alerts: a record of each, which `nightshift alerts` lists, and the channels that the settings configure."""

from __future__ import annotations

import hashlib
import json
import logging

from nightshift.alerts.alert import Alert
from nightshift.alerts.channels import CHANNELS
from nightshift.errors import NightshiftError
from nightshift.settings import Settings
from nightshift.state import open_state

log = logging.getLogger(__name__)

FOLDER = "alerts"  # a record for each incident, so that each is delivered once, whichever machine notices it


def deliver(alert: Alert, settings: Settings) -> list[str]:
    """Delivers an incident once, to every configured channel; a channel that fails does not stop the rest.

    Returns:
        The channels that accepted it, and `record`; none if it had been delivered before.
    """
    delivered = []
    try:
        if not open_state(settings).create(_record_name(alert.incident), json.dumps(alert.to_json()).encode()):
            return []
        delivered.append("record")
    except (NightshiftError, OSError) as error:
        log.error("alert %s could not be recorded: %s", alert.incident, error)
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
    """Every alert delivered so far, oldest first. Records that are no alerts are left out."""
    state = open_state(settings)
    alerts = [alert for name in state.names(FOLDER) if (alert := _parse(state.read(name)))]
    return sorted(alerts, key=lambda alert: (str(alert["since"]), str(alert["incident"])))


def remove_alerts(settings: Settings, model: str) -> int:
    """Removes the records of a model's alerts, and counts them."""
    incidents = [str(alert["incident"]) for alert in read_alerts(settings) if alert["model"] == model]
    for incident in incidents:
        open_state(settings).remove(_record_name(incident))
    return len(incidents)


def _record_name(incident: str) -> str:
    return f"{FOLDER}/{hashlib.sha256(incident.encode()).hexdigest()[:24]}.json"


def _parse(content: bytes | None) -> dict[str, str | None] | None:
    try:
        alert = json.loads(content or b"")
    except ValueError:
        return None  # damaged by a full disk, or not ours
    return alert if isinstance(alert, dict) and {"incident", "model", "since"} <= alert.keys() else None
