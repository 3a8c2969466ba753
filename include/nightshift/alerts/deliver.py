"""Delivers alerts: a record of each, which `nightshift alerts` lists, and the channels that the settings configure."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace

from nightshift.alerts.alert import Alert
from nightshift.alerts.channels import CHANNELS
from nightshift.errors import NightshiftError, TerminalError
from nightshift.json_documents import parse_object, readable_objects
from nightshift.redaction import redacted
from nightshift.service_errors import explain
from nightshift.settings import Settings
from nightshift.state import State, open_state

log = logging.getLogger(__name__)

FOLDER = "alerts"  # a record for each incident, so that each is delivered once, whichever machine notices it
DAMAGED = "damaged"  # the folder of records in whose place another was written
FIELDS = dict.fromkeys(("incident", "model", "since", "what", "runbook"), str)
FIX = "remove the record, or restore it from a backup"


def deliver(alert: Alert, settings: Settings) -> list[str]:
    """Delivers an incident once, to every configured channel; a channel that fails does not stop the rest.

    Returns:
        The channels that accepted it, and `record`; none if it had been delivered before.
    """
    delivered = []
    alert = replace(alert, summary=redacted(alert.summary, settings.secrets))  # it may quote an error of any library
    try:
        if not _is_recorded_first(alert, open_state(settings)):
            return []
        delivered.append("record")
    except (NightshiftError, OSError) as error:
        log.error("alert %s could not be recorded: %s", alert.incident, explain(error) or error)
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
    """Every alert delivered so far, oldest first. Records that are no alerts are left out, with a warning."""
    state = open_state(settings)
    records = ((name, content) for name in state.names(FOLDER) if (content := state.read(name)) is not None)
    alerts = [alert for _, alert in readable_objects(records, FIELDS, FIX)]
    return sorted(alerts, key=lambda alert: (str(alert["since"]), str(alert["incident"])))


def remove_alerts(settings: Settings, model: str) -> int:
    """Removes the records of a model's alerts, and counts them."""
    incidents = [str(alert["incident"]) for alert in read_alerts(settings) if alert["model"] == model]
    for incident in incidents:
        open_state(settings).remove(_record_name(incident))
    return len(incidents)


def _record_name(incident: str) -> str:
    return f"{FOLDER}/{hashlib.sha256(incident.encode()).hexdigest()[:24]}.json"


def _is_recorded_first(alert: Alert, state: State) -> bool:
    """Records an alert; False if its incident has a record.

    A record that is damaged says of no alert that it was delivered: it is set aside, and the alert is delivered.
    """
    name, content = _record_name(alert.incident), json.dumps(alert.to_json()).encode()
    if state.create(name, content):
        return True
    if _is_alert(name, state.read(name)):
        return False
    with state.lock(FOLDER):  # two that notice the damage deliver once
        damaged = state.read(name)
        if _is_alert(name, damaged):
            return False
        if damaged is not None:
            aside = f"{DAMAGED}/{name}.{hashlib.sha256(damaged).hexdigest()[:12]}"
            state.create(aside, damaged)
            log.warning("the record %s is damaged: it is set aside as %s", name, aside)
        state.write(name, content)
    return True


def _is_alert(name: str, content: bytes | None) -> bool:
    if content is None:  # it was removed meanwhile
        return False
    try:
        parse_object(content, name, FIELDS, FIX)
    except TerminalError:
        return False
    return True
