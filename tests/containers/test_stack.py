"""Two nights through the compose stack, and what its containers may do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from containers.conftest import Stack, engine, health

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

AIRFLOW = ("--airflow-url", "http://airflow-api-server:8080")
PASSWORD = ("--password-file", "/run/secrets/airflow_admin_password")
TINY = ("--model", "tiny", "--first", "2024-01-31", "--nights", "2", "--champion", "2024-01-30")


@pytest.fixture(scope="module")
def nights(stack: Stack) -> subprocess.CompletedProcess[str]:
    return stack.run("run", "--rm", "-T", "nightshift", "run", *TINY, *AIRFLOW, *PASSWORD)


def test_the_nights_succeed_and_are_complete(nights: subprocess.CompletedProcess[str]) -> None:
    assert nights.returncode == 0
    assert all(f"night 2024-{night}: scored, monitored" in nights.stdout for night in ("01-31", "02-01"))


def test_analysts_see_the_rows(stack: Stack, nights: subprocess.CompletedProcess[str]) -> None:
    del nights
    query = "select count(*) as scored from scores.tiny"
    assert "120" in stack.run("run", "--rm", "-T", "nightshift", "sql", query).stdout


def test_both_workers_of_the_cluster_are_there(stack: Stack) -> None:
    program = "import urllib.request as r; print(r.urlopen('http://spark-master:8080/json/').read().decode())"
    answer = stack.run("exec", "-T", "spark-master", "python", "-c", program).stdout
    assert json.loads(answer)["aliveworkers"] == 2


def test_containers_are_no_root_and_write_nothing_of_their_images(stack: Stack) -> None:
    for name, container in stack.containers().items():
        assert container["HostConfig"]["ReadonlyRootfs"] and container["HostConfig"]["CapDrop"] == ["ALL"], name
        if container["State"]["Running"]:
            assert engine("exec", container["Id"], "id", "-u").strip() not in {"0", ""}, name
            assert health(container) in {"healthy", None}, name


def test_servers_listen_on_this_machine_alone(stack: Stack) -> None:
    published = [
        (name, binding["HostIp"])
        for name, container in stack.containers().items()
        for bindings in container["HostConfig"]["PortBindings"].values()
        for binding in bindings
    ]
    assert sorted(published) == [(name, "127.0.0.1") for name in ("airflow-api-server", "mlflow", "spark-master")]


def test_no_secret_is_shown_by_the_engine(stack: Stack) -> None:
    shown = json.dumps(list(stack.containers().values()))
    for image in {container["Image"] for container in stack.containers().values()}:
        shown += engine("history", "--no-trunc", image) + engine("image", "inspect", image)
    for secret in secrets(stack.folder / "docker" / "secrets"):
        assert secret not in shown


def test_no_secret_is_in_the_image(stack: Stack) -> None:
    program = "test ! -e /opt/nightshift/docker/secrets && test ! -e /opt/nightshift/docker/.env"
    engine("run", "--rm", "--entrypoint", "/bin/sh", stack.environment["NIGHTSHIFT_IMAGE"], "-c", program)


def test_the_image_lists_what_is_in_it(stack: Stack) -> None:
    listed = engine("run", "--rm", stack.environment["NIGHTSHIFT_IMAGE"], "cat", "/opt/nightshift/sbom/python.cdx.json")
    components = {part["name"]: part.get("version") for part in json.loads(listed)["components"]}
    locked = (stack.folder / "requirements.txt").read_text()
    assert f"apache-airflow=={components['apache-airflow']}\n" in locked
    assert "pytest" not in components and "moto" not in components


def test_the_api_gives_a_night_to_whoever_has_its_token(stack: Stack, nights: subprocess.CompletedProcess[str]) -> None:
    del nights
    assert stack.run("up", "--detach", "--no-deps", "api").returncode == 0
    stack.wait_until_healthy()
    token = (stack.folder / "docker" / "secrets" / "serving_token").read_text().strip()
    parity = ("parity", "tiny", "--night", "2024-02-01", "--url", "http://api:8080")
    answered = stack.run("run", "--rm", "-T", "-e", f"NIGHTSHIFT_TOKEN={token}", "nightshift", *parity)
    assert answered.returncode == 0 and "0 of " in answered.stdout
    refused = stack.run("run", "--rm", "-T", "nightshift", *parity)
    assert refused.returncode != 0 and "the caller has no valid token" in refused.stdout


def test_a_version_is_served_from_its_archive_in_the_object_store(
    stack: Stack, nights: subprocess.CompletedProcess[str]
) -> None:
    del nights
    archive = ("--format", "archive", "--to", "s3://nightshift/exported")
    assert stack.run("run", "--rm", "-T", "nightshift", "export", "tiny", *archive).returncode == 0
    fetch = "nightshift serve --archive s3://nightshift/exported/tiny-1.tar.gz --port 9000 & sleep 20; "
    fetch += "python /opt/nightshift/docker/healthy.py http://127.0.0.1:9000/ready"
    entry = ("--entrypoint", "/opt/nightshift/docker/entrypoint.sh")
    assert stack.run("run", "--rm", "-T", *entry, "nightshift", "bash", "-c", fetch).returncode == 0


def secrets(folder: Path) -> list[str]:
    """Every secret of an installation, the parts of files with several each by itself."""
    texts = [file.read_text() for file in folder.iterdir()]
    words = [word for text in texts for line in text.splitlines() for word in line.replace("@", ":").split(":")]
    long = [part.strip(' "}],/') for word in words for part in word.split(" = ")]
    return [word for word in long if len(word) >= 16 and "{" not in word]
