"""What object stores, AWS and databases answer when they do not do what was asked, as one clear line each."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from nightshift.errors import FullDiskError, NightshiftError, TerminalError, TransientError, first_line, shown

# Arrow's errors are an OSError with such a text. Of a HEAD request it knows the HTTP status alone.
ARROW = re.compile(r"AWS Error (?P<code>\w+)(?: \(HTTP status (?P<status>\d+)\))? during (?P<call>\w+) operation: (.*)")
ARROW_PLACE = re.compile(r"key '(?P<key>[^']*)' in bucket '(?P<bucket>[^']*)'")
# How Arrow says a code that it has no word for.
ARROW_UNKNOWN = re.compile(r"ExceptionName: (?P<code>\w+)")

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
SQLITE_FULL = re.compile(r"disk I/O error|database or disk is full")
MORE_DISK = "give the disk more, then run this again: nothing was published"

# What to do, by what the answer's code contains, or by its HTTP status; codes are compared without case and
# underscores. An answer's text decides nothing: it may name any key, address or port.
RETRIED = {
    ("slowdown", "throttl", "toomanyrequests", "requestlimit", "503"): "it is busy; it is tried again with pauses",
    ("expiredtoken", "tokenexpired", "400"): "renew the credentials of this environment or of this role",
    ("networkconnection", "connecttimeout", "connectionerror", "endpointconnection", "readtimeout"): (
        "check the address in AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, and the network"
    ),
    ("internal", "unavailable", "requesttimeout", "500", "502", "504"): "wait, then run this again",
}
REFUSED = {
    ("accessdenied", "forbidden", "unauthorized", "403"): "allow this role what docs/production.md lists for it",
    ("invalidaccesskey", "signaturedoesnotmatch", "unrecognizedclient", "401"): (
        "correct the credentials of this environment"
    ),
    ("nosuchbucket",): "create the bucket, or correct the setting that names it",
    ("timetooskewed", "invalidsignature"): "set this machine's clock by a time server",
    ("nocredentials", "partialcredentials", "credentialretrieval"): (
        "give this machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    ),
    ("noregion",): "set AWS_REGION and AWS_DEFAULT_REGION",
}


def explain_at(where: str, error: BaseException) -> NightshiftError:
    """A service's answer as one clear line, at a place that the caller knows better.

    Args:
        where: What was asked for.
        error: An exception of a service's client.
    """
    answer = explain(error)
    assert answer is not None
    return type(answer)(answer.problem, where=where, fix=answer.fix)


def explain(error: BaseException) -> NightshiftError | None:
    """An exception as one clear line: itself if it is Nightshift's, or a service's answer behind it; else None.

    Args:
        error: Any exception; those that it was raised from are looked at too.
    """
    if isinstance(error, NightshiftError):
        return error
    for cause in _chain(error):
        if isinstance(cause, OSError) and (answer := ARROW.search(str(cause))):
            place = ARROW_PLACE.search(str(cause))
            where = f"s3://{place['bucket']}/{place['key']}" if place else "object storage"
            unknown = ARROW_UNKNOWN.search(answer[4])
            code = unknown["code"] if unknown else answer["code"]
            return _classified(f"{answer['code']} {answer[4]}", code, answer["status"], where)
        if isinstance(cause, OSError) and cause.errno in NO_SPACE:
            file = str(cause.filename) if cause.filename else None
            return FullDiskError("no space is left on the disk", where=file, fix=f"free space, or {MORE_DISK}")
        module = type(cause).__module__
        if module.startswith("botocore."):
            code = getattr(cause, "response", {}).get("Error", {}).get("Code", type(cause).__name__)
            return _classified(f"{code} {first_line(cause)}", code, None, "AWS")
        if module.startswith("sqlalchemy.") and type(cause).__name__ == "OperationalError":
            line = first_line(getattr(cause, "orig", None) or cause)
            if SQLITE_FULL.search(line):
                fix = f"free space on its disk, or {MORE_DISK}; if there is some, look in the system's log"
                return FullDiskError(f"the database cannot be written: {line}", fix=fix)
            problem = f"the database does not answer: {line}"
            return TransientError(problem, fix="start it, or correct the setting that names it; then run this again")
    return None


def _classified(answer: str, code: str, status: str | None, where: str) -> NightshiftError:
    problem = f"the service answered: {shown(answer.strip())}"
    name = code.replace("_", "").casefold()
    for known in (name, status or ""):
        for fixes, kind in ((REFUSED, TerminalError), (RETRIED, TransientError)):
            for words, fix in fixes.items():
                if any(known == word if word.isdigit() else word in known for word in words):
                    return kind(problem, where=where, fix=fix)
    return TransientError(problem, where=where, fix="look the answer up in the service's documentation")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
