"""Alerts by Amazon SNS: a topic, which passes them on to mail, chat, pagers or queues."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nightshift.alerts.alert import Alert
from nightshift.settings import AlertSettings

LONGEST_SUBJECT = 100  # characters that SNS takes, printable ASCII without line breaks


def sns(settings: AlertSettings) -> Callable[[Alert], None] | None:
    """Publishes alerts to the topic; None if none is configured."""
    return partial(_publish, settings.sns_topic) if settings.sns_topic else None


def subject(summary: str) -> str:
    """The subject of a message, as SNS takes it: what it does not take is a question mark, and the rest is cut."""
    line = " ".join(f"[nightshift] {summary}".split())
    text = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in line)
    return text if len(text) < LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 4]}..."


def _publish(topic: str, alert: Alert) -> None:
    import boto3

    # The topic's own region, which may be another than the environment's.
    region = topic.split(":")[3]
    facts = {"kind": str(alert.kind), "model": alert.model}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in facts.items()}
    boto3.client("sns", region_name=region).publish(
        TopicArn=topic, Subject=subject(alert.summary), Message=alert.text(), MessageAttributes=attributes
    )
