"""What disks, object stores, AWS and databases answer when they do not do what was asked, as one clear line each."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

from nightshift.errors import (
    FullDiskError,
    NightshiftError,
    ReadOnlyError,
    TerminalError,
    TransientError,
    first_line,
    shown,
)

# Arrow's errors are an OSError with such a text. Of a HEAD request it knows the HTTP status alone.
ARROW = re.compile(r"AWS Error (?P<code>\w+)(?: \(HTTP status (?P<status>\d+)\))? during (?P<call>\w+) operation: (.*)")
ARROW_PLACE = re.compile(r"key '(?P<key>[^']*)' in bucket '(?P<bucket>[^']*)'")
# How Arrow says a code that it has no word for.
ARROW_UNKNOWN = re.compile(r"ExceptionName: (?P<code>\w+)")

NO_SPACE = {errno.ENOSPC: "no space is left on the disk", errno.EDQUOT: "the disk quota is used up"}
READ_ONLY = {errno.EROFS: "the disk is read-only"}
NOT_PERMITTED = dict.fromkeys((errno.EACCES, errno.EPERM), "this user may not write there")
MORE_SPACE = "free space, or give the disk more, then run this again: nothing unfinished was published"
WRITABLE = "make it writable for this user, then run this again: nothing unfinished was published"
# Of an error that another process reports, such as Spark's or DuckDB's, only the system's own text is there.
IN_TEXT = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
    "failed to offload data block": errno.ENOSPC,  # DuckDB takes no more of a disk than is free when it begins
}
QUOTED_PATH = re.compile(r"'(/[^']*)'|\"(/[^\"]*)\"")
SQLITE_FULL = re.compile(r"disk I/O error|database or disk is full")
SQLITE_READ_ONLY = re.compile(r"attempt to write a readonly database")
SQLITE_LOCKED = re.compile(r"database (table )?is locked")
UNLOCKED = (
    "wait for the process that locks it, such as a backup or a browser of databases, or end it; then run this again"
)

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
        if disk := explain_disk(cause):
            return disk
        module = type(cause).__module__
        if module.startswith("botocore."):
            code = getattr(cause, "response", {}).get("Error", {}).get("Code", type(cause).__name__)
            return _classified(f"{code} {first_line(cause)}", code, None, "AWS")
        if module.startswith("sqlalchemy.") and type(cause).__name__ == "OperationalError":
            line, database = first_line(getattr(cause, "orig", None) or cause), _database_of(cause)
            if SQLITE_LOCKED.search(line):
                return TransientError(f"another process locks the database: {line}", where=database, fix=UNLOCKED)
            problem = f"the database does not answer: {line}"
            fix = "start it, or correct the setting that names it; then run this again"
            return TransientError(problem, where=database, fix=fix)
    return None


def explain_disk(error: BaseException, where: str | None = None) -> FullDiskError | ReadOnlyError | None:
    """What a local disk, or a database in a file on it, answers to a write, as one clear line; None of another answer.

    Args:
        error: An exception; not those that it was raised from.
        where: What was to be written; as the error says it if None.
    """
    if isinstance(error, OSError) and error.errno is not None:
        if where is not None and error.errno in NOT_PERMITTED:
            return ReadOnlyError(NOT_PERMITTED[error.errno], where=where, fix=WRITABLE)
        return _disk_error(error.errno, where or _path_in(error))
    kind = type(error).__name__
    if kind not in {"OperationalError", "DatabaseError"}:  # of sqlite3, and of SQLAlchemy, which wraps it
        return None
    line, where = first_line(getattr(error, "orig", None) or error), where or _database_of(error)
    if SQLITE_FULL.search(line):
        fix = f"{MORE_SPACE}; if there is some, look in the system's log"
        return FullDiskError(f"the database cannot be written: {line}", where=where, fix=fix)
    if SQLITE_READ_ONLY.search(line):
        return ReadOnlyError(f"the database cannot be written: {line}", where=where, fix=WRITABLE)
    return None


def explain_text(text: str, where: str | None = None) -> FullDiskError | ReadOnlyError | None:
    """What a disk answered to a write of another process, by the text of its error; None of another text.

    Args:
        text: The error's text.
        where: What was to be written, if the text does not say it.
    """
    line = next((line for line in text.splitlines() if any(words in line for words in IN_TEXT)), "")
    code = next((code for words, code in IN_TEXT.items() if words in line), None)
    return None if code is None else _disk_error(code, _path_in(line) or where)


def _disk_error(code: int, where: str | None) -> FullDiskError | ReadOnlyError | None:
    if code in NO_SPACE:
        return FullDiskError(NO_SPACE[code], where=where, fix=MORE_SPACE)
    if code in READ_ONLY:
        return ReadOnlyError(READ_ONLY[code], where=where, fix=WRITABLE)
    return None


def _path_in(error: OSError | str) -> str | None:
    """The file that an error names; Arrow's names it in its text."""
    if isinstance(error, OSError) and error.filename:
        return str(error.filename)
    path = QUOTED_PATH.search(str(error))
    return (path[1] or path[2]) if path else None


def _database_of(error: BaseException) -> str | None:
    """The database that an error is of, which a note on it says: SQLAlchemy's own texts do not; see `lake.catalog`."""
    return next(iter(getattr(error, "__notes__", ())), None)


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
