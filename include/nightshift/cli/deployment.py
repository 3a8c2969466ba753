"""The command that uploads what jobs run on EMR Serverless."""

from __future__ import annotations

from nightshift.cli.output import write_line
from nightshift.settings import get_settings


def deploy() -> None:
    """Upload code and packages for jobs on EMR Serverless to NIGHTSHIFT_SPARK__CODE; what is there stays."""
    from nightshift.compute.deployed_code import deploy

    deploy(get_settings(), write_line)
