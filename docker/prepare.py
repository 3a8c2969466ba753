"""Prepares an installation whose PostgreSQL and S3 are up: Airflow's database, its first user, the pools, the bucket.

Running it again changes nothing but the database's version after an upgrade.
"""

import os
import subprocess
import sys
from pathlib import Path

import boto3

# Jobs and trainings at once. A cluster with more cores takes more: airflow pools set nightshift_spark 8 "Spark jobs".
POOLS = {"nightshift_spark": (1, "Spark jobs at once"), "nightshift_training": (1, "Trainings and gates at once")}


def airflow(*arguments: str, answers: str = "") -> str:
    """Runs a command of Airflow and returns what it prints; ends this process if it fails.

    Args:
        *arguments: The command.
        answers: What it reads from its standard input, where no list of processes shows it.
    """
    ended = subprocess.run(["airflow", *arguments], input=answers, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = [line for line in (ended.stderr + ended.stdout).splitlines() if line.strip()][-3:]
        sys.exit(f"airflow {arguments[0]} {arguments[1]} failed: {' '.join(last)}")
    return ended.stdout


def prepare_airflow(password_file: Path) -> None:
    """Migrates Airflow's database, and creates what its DAGs and people need."""
    airflow("db", "migrate")
    print("Airflow's database is migrated")
    person = ("--username", "admin", "--role", "Admin", "--email", "admin@localhost")
    name = ("--firstname", "Nightshift", "--lastname", "Admin")
    password = password_file.read_text().strip()
    airflow("users", "create", *person, *name, answers=f"{password}\n{password}\n")
    print("the user admin exists")
    existing = airflow("pools", "list", "--output", "plain")
    for pool, (slots, description) in POOLS.items():
        if pool not in existing:
            airflow("pools", "set", pool, str(slots), description)
    print("the pools exist")


def prepare_bucket(bucket: str) -> None:
    """Creates the bucket unless it exists. Not on AWS, where whoever runs the account does so."""
    s3 = boto3.client("s3")
    if bucket not in [existing["Name"] for existing in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]})
    print(f"the bucket {bucket} exists")


if __name__ == "__main__":
    prepare_airflow(Path(os.environ["AIRFLOW_ADMIN_PASSWORD_FILE"]))
    if "BUCKET" in os.environ:
        prepare_bucket(os.environ["BUCKET"])
