"""Alerts by mail, through an SMTP server."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial

from nightshift.alerts.alert import Alert
from nightshift.settings import AlertSettings, SmtpSettings

TIMEOUT = 10  # seconds


def mail(settings: AlertSettings) -> Callable[[Alert], None] | None:
    """Sends alerts by mail; None if no server is configured."""
    return partial(_send, settings.smtp) if settings.smtp.host else None


def _send(smtp: SmtpSettings, alert: Alert) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(f"[nightshift] {alert.summary}".split())
    message["From"], message["To"] = smtp.sender, ", ".join(smtp.to)
    message.set_content(alert.text())
    with smtplib.SMTP(str(smtp.host), smtp.port, timeout=TIMEOUT) as server:
        if smtp.starttls:
            server.starttls()
        if smtp.user and smtp.password:
            server.login(smtp.user, smtp.password.get_secret_value())
        server.send_message(message)
