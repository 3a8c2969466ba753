"""The compose file and the manifests, without an engine: what they name exists, and no secret stands in them."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import copy, which
from typing import Any

import pytest
import yaml

from nightshift.settings import PROJECT, Settings
from nightshift.settings_names import is_setting, setting_names

DOCKER = PROJECT / "docker"
SECRETS = {
    "airflow_admin_password", "api_secret_key", "aws_credentials", "broker_url", "fernet_key", "jwt_secret",
    "mlflow_admin_password", "mlflow_secret_key", "pgpass", "postgres_password", "s3_identities", "serving_token",
}  # fmt: skip
Tree = dict[str, Any]


def compose() -> Tree:
    tree: Tree = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return tree


COMPOSE = compose()
SERVICES: dict[str, Tree] = COMPOSE["services"]
AIRFLOW_ROLES = {name for name, service in SERVICES.items() if str(service.get("command")).startswith("airflow")}


@cache
def manifests() -> list[Tree]:
    """Every object of the manifests."""
    return [
        tree
        for file in sorted((DOCKER / "kubernetes").glob("*.yaml"))
        for tree in yaml.safe_load_all(file.read_text())
        if tree
    ]


def environments() -> Iterator[tuple[str, str, str]]:
    """Every variable that a service or a manifest sets: where, its name, its value."""
    for service, tree in SERVICES.items():
        for name, value in (tree.get("environment") or {}).items():
            yield service, name, str(value)
    for tree in manifests():
        if tree["kind"] == "ConfigMap":
            yield from ((tree["metadata"]["name"], name, value) for name, value in tree["data"].items())
        for container in containers_of(tree):
            for entry in container.get("env", []):
                yield container["name"], entry["name"], str(entry.get("value", ""))


def containers_of(tree: Tree) -> list[Tree]:
    template = tree.get("spec", {}).get("template", {}).get("spec", {}) if tree["kind"] in WORKLOADS else {}
    return [*template.get("initContainers", []), *template.get("containers", [])]


def pod_of(tree: Tree) -> Tree:
    pod: Tree = tree["spec"]["template"]["spec"]
    return pod


def airflow_options() -> dict[str, Tree]:
    """Every option of Airflow and of its Celery provider that a variable may set, by the variable's name."""
    folder = Path(str(importlib.util.find_spec("airflow").submodule_search_locations[0]))  # type: ignore[union-attr,index]
    sections = yaml.safe_load((folder / "config_templates" / "config.yml").read_text())
    provider: Tree = {}
    for name in ("celery", "fab"):
        exec((folder / "providers" / name / "get_provider_info.py").read_text(), provider)
        sections |= provider["get_provider_info"]().get("config", {})
    return {
        f"AIRFLOW__{section.upper()}__{option.upper()}": described
        for section, tree in sections.items()
        for option, described in tree["options"].items()
    }


def known_setting(name: str) -> bool:
    """Whether a variable sets a field of the settings."""
    return is_setting(name, setting_names(Settings))


def test_every_variable_of_nightshift_is_a_setting() -> None:
    names = {name for _, name, _ in environments() if name.startswith("NIGHTSHIFT_")}
    assert "NIGHTSHIFT_STATE" in names
    assert [name for name in sorted(names) if not known_setting(name)] == []


def test_every_variable_of_airflow_is_an_option() -> None:
    options = airflow_options()
    sensitive = {f"{name}_CMD" for name, option in options.items() if option.get("sensitive")}
    names = {name for _, name, _ in environments() if name.startswith("AIRFLOW__")}
    assert "AIRFLOW__CELERY__BROKER_URL_CMD" in names
    assert names - set(options) - sensitive == set()


def test_a_setting_that_does_not_exist_is_noticed() -> None:
    assert not known_setting("NIGHTSHIFT_WAREHOUSES") and not known_setting("NIGHTSHIFT_SPARKS__MASTER")
    assert known_setting("NIGHTSHIFT_SPARK__MASTER")


def test_no_variable_holds_a_secret() -> None:
    for place, name, value in environments():
        secret = re.search(r"password|secret|token|_key", name, re.IGNORECASE)
        allowed = re.search(r"(_FILE|_CMD)$", name) or not value
        assert not secret or allowed, f"{place}: {name}"
        assert not re.search(r"://[^/@]*:[^/@]+@", value), f"{place}: {name} has a password in an address"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_no_root_writes_nothing_of_its_image_and_listens_on_this_machine_alone(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${NIGHTSHIFT_UID:?") and service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service and "network_mode" not in service
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))


def test_services_that_stay_have_a_health_check_and_know_only_secrets_that_are_made() -> None:
    ends = {"prepare", "volumes", "nightshift"}
    outside = {"s3"}  # what its image has to ask with is not known
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == ends | outside
    used = {secret for service in SERVICES.values() for secret in service.get("secrets") or []}
    assert used == set(COMPOSE["secrets"]) == SECRETS


def test_what_replaces_images_replaces_services_that_exist() -> None:
    replaced = yaml.safe_load((DOCKER / "compose.debian.yaml").read_text())["services"]
    assert set(replaced) == {name for name, service in SERVICES.items() if "NIGHTSHIFT_IMAGE" not in service["image"]}


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of what a person starts from, without any secret."""
    for name in ("secrets.sh", "compose.yaml", "compose.debian.yaml", "databases.sh"):
        copy(DOCKER / name, tmp_path)
    return tmp_path


def make_secrets(installation: Path) -> dict[str, str]:
    subprocess.run([installation / "secrets.sh"], check=True, capture_output=True)
    return {file.name: file.read_text() for file in (installation / "secrets").iterdir()}


def test_secrets_are_made_once_for_their_owner_alone(installation: Path, tmp_path: Path) -> None:
    made = make_secrets(installation)
    assert set(made) == SECRETS and all(made.values())
    assert {stat.S_IMODE(file.stat().st_mode) for file in (installation / "secrets").iterdir()} == {0o600}
    assert make_secrets(installation) == made
    (installation / "secrets" / "jwt_secret").unlink()
    assert {name for name, text in make_secrets(installation).items() if text != made[name]} == {"jwt_secret"}


def test_git_and_the_build_ignore_secrets() -> None:
    for path in ("docker/secrets/pgpass", "docker/.env"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=PROJECT, check=False).returncode == 0
    lines = (PROJECT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*", "everything is left out that is not named"
    assert [rule for rule in rules if re.match(r"!(docker/?$|docker/\*|docker/secrets|docker/.env|var)", rule)] == []


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    text = "\n".join((DOCKER / folder / "Dockerfile").read_text() for folder in (".", "services"))
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (PROJECT / source).exists(), source
            assert any(Path(source).match(rule) or rule in map(str, Path(source).parents) for rule in kept), source


@pytest.mark.skipif(which("docker-compose") is None, reason="docker-compose is not installed")
def test_the_compose_files_are_valid(installation: Path) -> None:
    make_secrets(installation)
    command = ["docker-compose", "-f", "compose.yaml", "-f", "compose.debian.yaml", "config"]
    ended = subprocess.run(command, cwd=installation, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert set(yaml.safe_load(ended.stdout)["services"]) >= set(SERVICES) - {"nightshift", "api"}


@pytest.mark.skipif(which("docker-compose") is None, reason="docker-compose is not installed")
def test_without_secrets_the_error_says_what_to_run(installation: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NIGHTSHIFT_UID"}
    command = ["docker-compose", "-f", "compose.yaml", "config"]
    ended = subprocess.run(command, cwd=installation, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0 and "run docker/secrets.sh first" in ended.stderr


# --- Kubernetes ---

WORKLOADS = {"Deployment", "Job"}
VERSIONS = {
    "ConfigMap": "v1", "Service": "v1", "ServiceAccount": "v1", "Namespace": "v1", "PersistentVolumeClaim": "v1",
    "Deployment": "apps/v1", "Job": "batch/v1",
}  # fmt: skip


def named(kind: str) -> set[str]:
    return {tree["metadata"]["name"] for tree in manifests() if tree["kind"] == kind}


def test_manifests_are_of_kinds_and_versions_that_exist_and_named_once() -> None:
    trees = manifests()
    assert [tree for tree in trees if VERSIONS.get(tree["kind"]) != tree["apiVersion"]] == []
    names = [(tree["kind"], tree["metadata"]["name"]) for tree in trees]
    assert len(set(names)) == len(names) and all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", n) for _, n in names)
    assert {tree["metadata"].get("namespace") for tree in trees if tree["kind"] != "Namespace"} == {"nightshift"}


def test_manifests_refer_to_what_is_there() -> None:
    secrets = {"nightshift-secrets"}  # made from the files of secrets.sh
    for tree in filter(lambda tree: tree["kind"] in WORKLOADS, manifests()):
        pod, name = pod_of(tree), tree["metadata"]["name"]
        assert pod["serviceAccountName"] in named("ServiceAccount"), name
        assert pod["enableServiceLinks"] is False, "MLFLOW_PORT and SPARK_MASTER_PORT would be addresses"
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for volume in volumes.values():
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets
                assert {item["key"] for item in volume["secret"].get("items", [])} <= SECRETS
            if "configMap" in volume:
                assert volume["configMap"]["name"] in named("ConfigMap")
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")
        for container in containers_of(tree):
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= set(volumes), name
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in named("ConfigMap")


def test_services_of_manifests_select_pods_and_ports_that_are_there() -> None:
    workloads = [tree for tree in manifests() if tree["kind"] in WORKLOADS]
    services = [tree for tree in manifests() if tree["kind"] == "Service"]
    outside = {tree["metadata"]["name"] for tree in services if tree["spec"].get("type") == "ExternalName"}
    assert outside == {"postgres", "redis"}
    for service in services:
        if service["metadata"]["name"] in outside:
            continue
        selector = service["spec"]["selector"].items()
        pods = [tree for tree in workloads if selector <= tree["spec"]["template"]["metadata"]["labels"].items()]
        assert len(pods) == 1, service["metadata"]["name"]
        ports = {port["name"] for container in containers_of(pods[0]) for port in container.get("ports", [])}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        assert "type" not in service["spec"], "nothing is open to the world by itself"
    for tree in workloads:
        if tree["kind"] != "Job":
            labels = tree["spec"]["template"]["metadata"]["labels"].items()
            assert tree["spec"]["selector"]["matchLabels"].items() <= labels


def test_pods_are_no_root_read_only_and_watched() -> None:
    for tree in filter(lambda tree: tree["kind"] in WORKLOADS, manifests()):
        pod = pod_of(tree)
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers_of(tree):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True and context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["image"] == "registry.example.com/nightshift:0.1.0"
            assert {"requests", "limits"} <= set(container["resources"])
            if tree["kind"] != "Job" and container in pod["containers"]:
                assert {"livenessProbe", "readinessProbe"} & set(container), container["name"]


def test_manifests_and_the_compose_file_have_the_same_roles() -> None:
    roles = {name for name, service in SERVICES.items() if "NIGHTSHIFT_IMAGE" in service["image"]}
    ours = {tree["metadata"]["name"] for tree in manifests() if tree["kind"] in WORKLOADS}
    assert ours == {re.sub(r"-\d$", "", role) for role in roles} - {"nightshift", "volumes"}


# --- what the image starts


def started(tmp_path: Path, *command: str, **variables: str) -> tuple[list[str], dict[str, str]]:
    """What the entrypoint runs, in the place of `nightshift`: its arguments, and its environment."""
    program = tmp_path / "nightshift"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" --; env\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"} | variables
    ended = subprocess.run(
        ["bash", DOCKER / "entrypoint.sh", *command], env=environment, capture_output=True, text=True, check=True
    )
    arguments, _, lines = ended.stdout.partition("\n--\n")
    return arguments.split("\n"), dict(line.partition("=")[::2] for line in lines.splitlines())


def test_secrets_come_from_files_and_their_variables_go(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    name = "NIGHTSHIFT_SERVING__TOKENS__SHOP"
    _, environment = started(tmp_path, "nightshift", "serve", **{f"{name}_FILE": str(tmp_path / "token")})
    assert environment[name] == "s3cret" and f"{name}_FILE" not in environment
    _, environment = started(tmp_path, "nightshift", "serve", **{name: "other"})
    assert environment[name] == "other" and "NIGHTSHIFT_SERVING__OPEN" not in environment


def test_the_command_of_sagemaker_serves_the_archive_on_the_port_that_it_asks(tmp_path: Path) -> None:
    arguments, environment = started(tmp_path, "serve")
    assert arguments == ["serve", "--archive", "/opt/ml/model", "--host", "0.0.0.0", "--port", "8080"]
    assert environment["NIGHTSHIFT_SERVING__OPEN"] == "true" and "NIGHTSHIFT_SERVING__TIMEOUT" not in environment
    _, environment = started(tmp_path, "serve", NIGHTSHIFT_SERVING__TOKENS__SHOP="s3cret")
    assert "NIGHTSHIFT_SERVING__OPEN" not in environment
    arguments, environment = started(
        tmp_path, "serve", SAGEMAKER_BIND_TO_PORT="9001", SAGEMAKER_MODEL_SERVER_TIMEOUT="55"
    )
    assert arguments[-1] == "9001" and environment["NIGHTSHIFT_SERVING__TIMEOUT"] == "55"
