"""Alerts by webhook: a POST of JSON with the alert's text and fields."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import httpx

from nightshift.alerts.alert import Alert
from nightshift.settings import AlertSettings

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and a webhook's is a secret

TIMEOUT = 10  # seconds


def webhook(settings: AlertSettings) -> Callable[[Alert], None] | None:
    """Sends alerts to the webhook; None if no address is configured."""
    if settings.webhook_url is None:
        return None
    return partial(_post, settings.webhook_url.get_secret_value())


def _post(url: str, alert: Alert) -> None:
    httpx.post(url, json={"text": alert.text(), **alert.to_json()}, timeout=TIMEOUT).raise_for_status()
