"""Secrets in every setting that may have one, and where they must not show."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

# Every secret begins with it; another in every run, so that no other process of the machine shows it.
MARK = f"pl4nted-{token_hex(4)}-"
EVERY = 0.1  # seconds between two looks at all processes
CLOSED = 1  # a port that nobody listens at: what is sent there fails, and the failure is logged


def secret(name: str) -> str:
    return f"{MARK}{name}-S3cr3t"


# Settings, and variables that libraries read.
ENVIRONMENT = {
    "NIGHTSHIFT_ALERTS__WEBHOOK_URL": f"http://127.0.0.1:{CLOSED}/hooks/{secret('hook')}",
    "NIGHTSHIFT_ALERTS__SMTP__HOST": "127.0.0.1",
    "NIGHTSHIFT_ALERTS__SMTP__PORT": str(CLOSED),
    "NIGHTSHIFT_ALERTS__SMTP__TO": '["on@call.example"]',
    "NIGHTSHIFT_ALERTS__SMTP__USER": "night",
    "NIGHTSHIFT_ALERTS__SMTP__PASSWORD": secret("smtp"),
    "NIGHTSHIFT_SERVING__TOKENS__SHOP": secret("token"),
    "NIGHTSHIFT_CONNECTIONS__SHOP": f"postgresql://shop:{secret('database')}@127.0.0.1:{CLOSED}/shop",
    "NIGHTSHIFT_CATALOG__PROPERTIES": json.dumps({"s3.secret-access-key": secret("catalog")}),
    "NIGHTSHIFT_SPARK__CONF": json.dumps({"spark.hadoop.fs.s3a.secret.key": secret("spark")}),
    "AWS_ACCESS_KEY_ID": secret("aws-id"),
    "AWS_SECRET_ACCESS_KEY": secret("aws"),
    "AWS_SESSION_TOKEN": secret("aws-session"),
    "MLFLOW_TRACKING_USERNAME": "night",
    "MLFLOW_TRACKING_PASSWORD": secret("mlflow"),
    "PGPASSWORD": secret("postgres"),
}


@contextmanager
def watched_arguments() -> Iterator[set[str]]:
    """The arguments of processes with a secret in them, of all that run meanwhile and live longer than a moment."""
    shown: set[str] = set()
    end = threading.Event()

    def watch() -> None:
        while not end.wait(EVERY):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it has ended
                    if MARK.encode() in (arguments := file.read_bytes()):
                        shown.add(arguments.replace(b"\0", b" ").decode(errors="replace"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield shown
    finally:
        end.set()
        watcher.join()


def files_with(folder: Path, texts: list[str]) -> list[str]:
    """The files below a folder with one of some texts in them, and which."""
    hits = []
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if file.is_file():
                content = file.read_bytes()
                hits += [f"{file}: {text}" for text in texts if text.encode() in content]
    return hits
