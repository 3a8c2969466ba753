"""How AWS is reached: by AWS's own environment variables, for Arrow, PyIceberg and boto3 alike.

MLflow reads them by itself, boto3 and Arrow some of them, and PyIceberg none. Whoever starts a process sets them once,
and jobs inherit them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nightshift.errors import TerminalError

if TYPE_CHECKING:
    from pyarrow import fs

ATTEMPTS = 8  # of a request that the store answers with "slow down", or not at all
CONNECT_SECONDS, REQUEST_SECONDS = 10, 60


def aws_region() -> str:
    """The region, of the environment or of the profile's file.

    Raises:
        TerminalError: If neither names it.
    """
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return region
    import boto3

    # Without a region Arrow and PyIceberg would ask Amazon where each bucket is.
    if region := boto3.session.Session().region_name:
        return str(region)
    raise TerminalError("no region is set", where="environment", allowed="AWS_REGION=eu-central-1", fix="set it")


def s3_file_system() -> fs.S3FileSystem:
    """Arrow's client; it takes credentials from the environment, a profile or the machine's role.

    Raises:
        TerminalError: If no region is set, or the endpoint is not an address.
    """
    from pyarrow import fs

    place = {}
    if url := aws_endpoint("S3"):
        parts = urlsplit(url)
        place = {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    return fs.S3FileSystem(
        region=aws_region(),
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        allow_delayed_open=True,  # a small file is one request
        **place,
    )


def pyiceberg_properties(catalog: str, warehouse: str) -> dict[str, str]:
    """The properties by which PyIceberg reaches its files and its catalog as everything else does.

    Args:
        catalog: The type of the catalog.
        warehouse: The warehouse's URI.
    """
    properties: dict[str, str] = {}
    if warehouse.startswith("s3://"):
        properties |= {"s3.region": aws_region()} | _with_endpoint("s3")
        properties |= {"s3.connect-timeout": str(CONNECT_SECONDS), "s3.request-timeout": str(REQUEST_SECONDS)}
    if catalog == "glue":
        properties |= {"glue.region": aws_region()} | _with_endpoint("glue")
    return properties


def aws_endpoint(service: str) -> str | None:
    """The address of a service, if it is not Amazon's own.

    Raises:
        TerminalError: If it is no address.
    """
    for variable in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
        if not (url := os.environ.get(variable)):
            continue
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc:
            return url
        where, fix = f"environment variable {variable}", "write the scheme and the host"
        raise TerminalError("no address", where=where, received=url, allowed="https://host[:port]", fix=fix)
    return None


def _with_endpoint(service: str) -> dict[str, str]:
    url = aws_endpoint(service.upper())
    return {f"{service}.endpoint": url} if url else {}
