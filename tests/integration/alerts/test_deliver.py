from __future__ import annotations

import json
import logging
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from servers import aws_server

from integration.alerts.conftest import Mail, Web
from nightshift.alerts.alert import Alert, AlertRun, failed_run_alert
from nightshift.alerts.channels.sns import subject
from nightshift.alerts.deliver import deliver, read_alerts
from nightshift.settings import AlertSettings, Settings, SmtpSettings

RUN = AlertRun(
    dag_id="tiny.score",
    run_id="r1",
    night="2024-01-05",
    since="2024-01-05T06:31:00+00:00",
    task="score",
    airflow_url="http://127.0.0.1:8080",
)
ALERT = failed_run_alert(RUN, "the estimator is gone")


def another(number: int) -> Alert:
    return replace(ALERT, incident=f"tiny.score/r{number}")


def with_channels(settings: Settings, url: str | None = None, smtp: SmtpSettings | None = None) -> Settings:
    alerts = AlertSettings(webhook_url=None if url is None else SecretStr(url), smtp=smtp or SmtpSettings())
    return settings.model_copy(update={"alerts": alerts})


def to(mail: Mail, **more: object) -> SmtpSettings:
    sent = {"host": "127.0.0.1", "port": mail.port, "sender": "night@example.org", "to": ["on@call.org", "b@call.org"]}
    return SmtpSettings.model_validate(sent | more)


def dead_url() -> str:
    """An address nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/hooks/s3cret-token"


def test_an_alert_is_always_recorded(settings: Settings) -> None:
    assert deliver(ALERT, settings) == ["record"]
    assert read_alerts(settings) == [ALERT.to_json()]


def test_before_the_first_alert_there_are_none(settings: Settings) -> None:
    assert read_alerts(settings) == []


def test_an_incident_is_delivered_once_and_another_incident_too(settings: Settings, web: Web) -> None:
    settings = with_channels(settings, web.url)
    assert deliver(ALERT, settings) == ["record", "webhook"]
    assert deliver(replace(ALERT, summary="another sentence"), settings) == []
    assert deliver(another(2), settings) == ["record", "webhook"]
    assert [alert["incident"] for alert in read_alerts(settings)] == [ALERT.incident, "tiny.score/r2"]
    assert [alert["incident"] for alert in web.received] == [ALERT.incident, "tiny.score/r2"]


def test_an_incident_reported_many_times_at_once_is_delivered_once(settings: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        channels = list(pool.map(lambda n: deliver(another(n % 3), settings), range(24)))
    assert sorted(map(len, channels)) == [0] * 21 + [1] * 3
    assert len(read_alerts(settings)) == 3


def test_the_webhook_gets_the_text_and_every_field(settings: Settings, web: Web) -> None:
    assert deliver(ALERT, with_channels(settings, web.url)) == ["record", "webhook"]
    [received] = web.received
    assert received == {"path": "/hooks/s3cret-token", "text": ALERT.text(), **ALERT.to_json()}


def test_mail_reaches_everybody_on_call(settings: Settings, mail: Mail) -> None:
    assert deliver(ALERT, with_channels(settings, smtp=to(mail))) == ["record", "mail"]
    [(sender, receivers, message)] = mail.received
    assert sender == "night@example.org"
    assert receivers == ["on@call.org", "b@call.org"]
    assert message["Subject"] == "[nightshift] tiny.score failed at score: the estimator is gone"
    assert message.get_content().replace("\r\n", "\n") == ALERT.text()


def test_mail_of_any_language_arrives_as_it_was_written(settings: Settings, mail: Mail) -> None:
    alert = replace(ALERT, summary="tiny.score: Spalte ‘größe’ fehlt — 列がありません")
    assert deliver(alert, with_channels(settings, smtp=to(mail))) == ["record", "mail"]
    [(_, _, message)] = mail.received
    assert message["Subject"] == f"[nightshift] {alert.summary}"
    assert message.get_content().replace("\r\n", "\n") == alert.text()


def test_mail_of_several_lines_arrives(settings: Settings, mail: Mail) -> None:
    alert = replace(ALERT, summary="tiny.score failed:\nfirst line\nsecond line")
    assert deliver(alert, with_channels(settings, smtp=to(mail))) == ["record", "mail"]
    [(_, _, message)] = mail.received
    assert "tiny.score failed:" in message["Subject"]


BROKEN_URLS = [
    pytest.param("http://127.0.0.1:notaport/s3cret-token", id="a port that is no number"),
    pytest.param("ftp://127.0.0.1/s3cret-token", id="a protocol nobody speaks"),
    pytest.param("s3cret-token", id="no address at all"),
    pytest.param("http://nowhere.invalid/s3cret-token", id="an unknown host"),
]


@pytest.mark.parametrize("url", BROKEN_URLS)
def test_a_misconfigured_webhook_does_not_stop_the_mail_and_no_secret_is_logged(
    settings: Settings, mail: Mail, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    caplog.set_level(logging.INFO)
    assert deliver(ALERT, with_channels(settings, url, to(mail))) == ["record", "mail"]
    assert len(mail.received) == 1
    assert f"alert {ALERT.incident} could not be delivered by webhook" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_webhook_that_refuses_does_not_stop_the_mail_and_no_secret_is_logged(
    settings: Settings, web: Web, mail: Mail, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.INFO)
    web.status = status
    assert deliver(ALERT, with_channels(settings, web.url, to(mail))) == ["record", "mail"]
    assert "could not be delivered by webhook: HTTPStatusError" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_webhook_that_is_down_does_not_stop_the_mail_and_no_secret_is_logged(
    settings: Settings, mail: Mail, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert deliver(ALERT, with_channels(settings, dead_url(), to(mail))) == ["record", "mail"]
    assert "could not be delivered by webhook: ConnectError" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_webhook_that_works_logs_no_secret(settings: Settings, web: Web, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert deliver(ALERT, with_channels(settings, web.url)) == ["record", "webhook"]
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"host": "nowhere.invalid"}, id="an unknown host"),
        pytest.param({"starttls": True}, id="encryption the server does not offer"),
        pytest.param({"user": "night", "password": "s3cret-password"}, id="a login the server does not offer"),
        pytest.param({"user": "night", "password": "s3cret-pässword"}, id="a password beyond ascii"),
        pytest.param({"sender": "line\nbreak@example.org"}, id="a sender of two lines"),
    ],
)
def test_mail_that_fails_does_not_stop_the_webhook_and_no_secret_is_logged(
    settings: Settings, web: Web, mail: Mail, caplog: pytest.LogCaptureFixture, wrong: dict[str, object]
) -> None:
    caplog.set_level(logging.WARNING)
    assert deliver(ALERT, with_channels(settings, web.url, to(mail, **wrong))) == ["record", "webhook"]
    assert f"alert {ALERT.incident} could not be delivered by mail" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_mail_server_that_refuses_is_reported(
    settings: Settings, mail: Mail, caplog: pytest.LogCaptureFixture
) -> None:
    mail.refuse = True
    assert deliver(ALERT, with_channels(settings, smtp=to(mail))) == ["record"]
    assert "could not be delivered by mail: SMTPSenderRefused" in caplog.text


def test_a_record_that_cannot_be_written_does_not_stop_the_webhook(
    settings: Settings, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    settings.var_path.mkdir()
    (settings.var_path / "alerts").write_text("")  # as a full or read-only disk: nothing can be written there
    assert deliver(ALERT, with_channels(settings, web.url)) == ["webhook"]
    assert "could not be recorded" in caplog.text


@pytest.mark.parametrize(
    "content", [b"", b"5", b"null", b"[]", b'{"incident": "tiny.sc', b"\xff\xfe", b'{"somebody": "else\'s"}']
)
def test_a_damaged_record_does_not_silence_later_alerts(
    settings: Settings, web: Web, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    deliver(ALERT, settings)
    (settings.var_path / "alerts" / "damaged.json").write_bytes(content)
    caplog.clear()
    assert deliver(another(3), with_channels(settings, web.url)) == ["record", "webhook"]
    assert [alert["incident"] for alert in read_alerts(settings)] == [ALERT.incident, "tiny.score/r3"]
    assert "alerts/damaged.json: the file is damaged" in caplog.text
    assert (settings.var_path / "alerts" / "damaged.json").read_bytes() == content
    assert deliver(another(3), settings) == []


@given(content=st.binary(max_size=60))
@example(content=b'{"incident": "tiny.sc')
@example(content=b"null")
def test_an_incident_whose_own_record_is_damaged_is_delivered_once_more(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(var=Path(folder))
        deliver(ALERT, settings)
        [record] = Path(folder, "alerts").iterdir()
        record.write_bytes(content)
        assert deliver(ALERT, settings) == ["record"]
        assert deliver(ALERT, settings) == []
        assert read_alerts(settings) == [ALERT.to_json()]
        assert [file.read_bytes() for file in Path(folder, "damaged").rglob("*.json.*")] == [content]


@pytest.fixture(scope="module")
def topic() -> Iterator[tuple[str, str]]:
    """A topic, and a queue that gets what is published to it."""
    with aws_server() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        arn = boto3.client("sns").create_topic(Name="on-call")["TopicArn"]
        queue = boto3.client("sqs").create_queue(QueueName="pager")["QueueUrl"]
        endpoint = f"arn:aws:sqs:{variables['AWS_REGION']}:123456789012:pager"
        boto3.client("sns").subscribe(TopicArn=arn, Protocol="sqs", Endpoint=endpoint)
        yield arn, queue


SUMMARIES = ["tiny.score failed", "größe fehlt — 列がありません", "first line\nsecond line", "x" * 99, "y" * 300, ""]


@pytest.mark.parametrize("summary", SUMMARIES)
def test_a_topic_gets_any_alert_whole(settings: Settings, topic: tuple[str, str], summary: str) -> None:
    arn, queue = topic
    alert = replace(ALERT, summary=summary)
    settings = settings.model_copy(update={"alerts": AlertSettings(sns_topic=arn)})
    assert deliver(alert, settings) == ["record", "sns"]
    [message] = boto3.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    boto3.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    received = json.loads(message["Body"])
    assert received["Message"] == alert.text()
    assert received["Subject"].startswith("[nightshift]")
    assert received["MessageAttributes"]["model"]["Value"] == "tiny"


@given(st.text())
def test_a_subject_is_one_that_sns_takes(summary: str) -> None:
    text = subject(summary)
    assert 0 < len(text) < 100
    assert text.isascii() and text.isprintable()


def test_an_address_that_is_no_topic_is_refused() -> None:
    with pytest.raises(ValidationError, match="such as arn:aws:sns:"):
        AlertSettings(sns_topic="on-call")


def test_settings_never_show_a_secret(settings: Settings, mail: Mail) -> None:
    shown = with_channels(settings, "http://x/s3cret-token", to(mail, user="night", password="s3cret-password"))
    assert "s3cret" not in repr(shown) + str(shown) + shown.model_dump_json()
