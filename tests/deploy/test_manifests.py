"""Every overlay: valid by the pinned Kubernetes version, restricted, and true to the services."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from common.catalog import CRMS
from pydantic_settings import BaseSettings

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("local", "prod", "prod-everything")
Manifest = dict[str, Any]
KUBERNETES = "1.34"
SERVICES = ("ingest", "debounce", "delivery", "settings")
OPERATORS_OWN = ("monitoring.coreos.com", "keda.sh")  # their schemas come with their operators
SHARED = {"LULL_SECRETS_DIR"}  # read before any configuration class


@pytest.fixture(scope="session")
def kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl on this machine")
    return found


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def folder_of(overlay: str) -> Path:
    """An overlay of the product, or one of these tests that uses what overlays leave out."""
    ours = ROOT / "deploy/k8s/overlays" / overlay
    return ours if ours.exists() else Path(__file__).parent / overlay


@pytest.fixture(scope="session")
def manifests(kubectl: str, overlay: str) -> list[Manifest]:
    rendered = subprocess.run(
        [kubectl, "kustomize", str(folder_of(overlay))], capture_output=True, text=True, check=False
    )
    assert rendered.returncode == 0, rendered.stderr
    assert "deprecated" not in rendered.stderr, rendered.stderr
    return [one for one in yaml.safe_load_all(rendered.stdout) if one]


def pods(manifests: list[Manifest]) -> dict[str, Manifest]:
    """`kind/name` -> the pod template's spec of everything that runs."""
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["spec"]["template"]["spec"]
        for one in manifests
        if one["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job")
    }


def test_manifests_are_valid_by_the_pinned_version(manifests: list[Manifest]) -> None:
    for one in manifests:
        if not one["apiVersion"].startswith(OPERATORS_OWN):
            kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_pods_meet_the_restricted_standard(manifests: list[Manifest]) -> None:
    """The controls of the restricted Pod Security Standard, Kubernetes 1.34."""
    for name, pod in pods(manifests).items():
        assert _faults(pod) == [], name


def test_the_restricted_check_finds_each_fault() -> None:
    good = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "one",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }
    assert _faults(good) == []
    container = good["containers"][0]  # type: ignore[index]
    changes: list[dict[str, Any]] = [
        {"securityContext": {}},
        {"hostNetwork": True},
        {"automountServiceAccountToken": True},
        {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
        {"containers": [{**container, "securityContext": {}}]},
        {"containers": [{**container, "ports": [{"hostPort": 80}]}]},
        {"initContainers": [{"name": "two"}]},
    ]
    for change in changes:
        assert _faults({**good, **change}) != [], change


def test_services_write_nothing_and_say_what_they_need(manifests: list[Manifest]) -> None:
    for name, pod in pods(manifests).items():
        for container in pod["containers"]:
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, name
            assert "memory" in resources["limits"], name
            if container["image"].split(":")[0].split("/")[-1] in SERVICES:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


def test_everything_that_serves_is_probed_and_drains_longer_than_it_may_take(
    manifests: list[Manifest],
) -> None:
    from common.service import GRACE_S

    for name, pod in pods(manifests).items():
        if name.startswith("Job/") or pod["containers"][0]["name"] not in SERVICES:
            continue
        container = pod["containers"][0]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz", name
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", name
        waits = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        assert pod["terminationGracePeriodSeconds"] >= waits + GRACE_S + 10, name


def test_ports_are_those_the_service_listens_on(manifests: list[Manifest]) -> None:
    for pod in pods(manifests).values():
        container = pod["containers"][0]
        if container["name"] not in SERVICES or "ports" not in container:
            continue
        service = container["name"]
        fields = _config(service).model_fields
        asked = {
            "http": fields[f"{service}_port"].default,
            "health": fields[f"{service}_health_port"].default,
        }
        if service == "settings":
            asked["internal"] = fields["settings_internal_port"].default
        assert {one["name"]: one["containerPort"] for one in container["ports"]} == asked


def test_every_port_that_a_service_or_policy_names_exists(manifests: list[Manifest]) -> None:
    ports = {
        port["name"]
        for pod in pods(manifests).values()
        for container in pod["containers"]
        for port in container.get("ports", [])
    }
    named = [
        port["targetPort"]
        for one in manifests
        if one["kind"] == "Service"
        for port in one["spec"].get("ports", [])
        if isinstance(port.get("targetPort"), str)
    ]
    named += [
        port["port"]
        for one in manifests
        if one["kind"] == "NetworkPolicy"
        for rule in one["spec"].get("ingress", []) + one["spec"].get("egress", [])
        for port in rule.get("ports", [])
        if isinstance(port["port"], str)
    ]
    assert named
    assert set(named) <= ports


def test_variables_exist_in_some_service_and_what_is_required_is_given(
    manifests: list[Manifest],
) -> None:
    configs = {service: _config(service) for service in SERVICES}
    documented = (ROOT / "docs/configuration.md").read_text()  # made from every class, vendors' too
    known = set(re.findall(r"^\| `(LULL_[A-Z0-9_]+)`", documented, re.MULTILINE))
    maps = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "ConfigMap"}
    for name, pod in pods(manifests).items():
        container = pod["containers"][0]
        given = {one["name"] for one in container.get("env", [])}
        for source in container.get("envFrom", []):
            given |= set(maps[source["configMapRef"]["name"]]["data"])
        ours = {one for one in given if one.startswith("LULL_")}
        if container["name"] in SERVICES:
            assert ours <= known | SHARED, name
            plain = {
                f"LULL_{field.upper()}"
                for field, info in configs[container["name"]].model_fields.items()
                if info.is_required() and "Secret" not in str(info.annotation)
            }
            # A secret, and what comes along with it, is a file of the service's Secret.
            assert plain - ours <= {"LULL_INTERCOM_CLIENT_ID"}, name


def test_listeners_leave_the_loopback(manifests: list[Manifest]) -> None:
    shared = next(
        one
        for one in manifests
        if one["kind"] == "ConfigMap"
        and re.fullmatch(r"lull-[a-z0-9]{10}", one["metadata"]["name"])
    )
    hosts = {
        f"LULL_{field.upper()}"
        for service in SERVICES
        for field, info in _config(service).model_fields.items()
        if field.endswith("_host") and info.default == "127.0.0.1"
    }
    assert hosts
    assert {name: shared["data"].get(name) for name in hosts} == dict.fromkeys(hosts, "0.0.0.0")  # noqa: S104


def test_every_crm_of_the_catalog_has_its_own_delivery(manifests: list[Manifest]) -> None:
    maps = {one["metadata"]["name"]: one for one in manifests if one["kind"] == "ConfigMap"}
    served = {}
    for one in manifests:
        if one["kind"] == "StatefulSet" and one["metadata"]["name"].startswith("delivery-"):
            sources = one["spec"]["template"]["spec"]["containers"][0]["envFrom"]
            data = [maps[source["configMapRef"]["name"]]["data"] for source in sources]
            (crms,) = [
                found["LULL_DELIVERY_CRMS"] for found in data if "LULL_DELIVERY_CRMS" in found
            ]
            served[one["metadata"]["name"]] = crms
    assert sorted(served.values()) == sorted(CRMS)


def test_images_are_targets_of_the_dockerfile(manifests: list[Manifest]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE))
    used = {
        container["image"].split(":")[0].split("/")[-1]
        for pod in pods(manifests).values()
        for container in pod["containers"]
        if "lull/" in container["image"]
    }
    assert used
    assert used <= targets


def test_nothing_runs_under_an_account_with_a_token(manifests: list[Manifest]) -> None:
    accounts = [one for one in manifests if one["kind"] == "ServiceAccount"]
    assert accounts
    assert all(one["automountServiceAccountToken"] is False for one in accounts)


def test_secrets_are_named_and_never_written_down(overlay: str, manifests: list[Manifest]) -> None:
    assert [one["metadata"]["name"] for one in manifests if one["kind"] == "Secret"] == []
    files = [path for path in folder_of(overlay).rglob("*") if path.is_file()]
    assert files


def _config(service: str) -> type[BaseSettings]:
    module = importlib.import_module(f"{service}.config")
    found: type[BaseSettings] = getattr(module, f"{service.capitalize()}Config")
    return found


def _faults(pod: dict[str, Any]) -> list[str]:
    """What keeps a pod from the restricted standard."""
    faults = [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    whole = pod.get("securityContext", {})
    if pod.get("automountServiceAccountToken") is not False:
        faults.append("a token is mounted")
    allowed = {
        "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
        "projected", "secret",
    }  # fmt: skip
    for volume in pod.get("volumes", []):
        faults += [f"volume {kind}" for kind in volume.keys() - {"name"} - allowed]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = container.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            faults.append("may gain privileges")
        if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
            faults.append("may run as root")
        if own.get("runAsUser", whole.get("runAsUser")) == 0:
            faults.append("runs as root")
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            faults.append("keeps capabilities")
        profile = own.get("seccompProfile", whole.get("seccompProfile", {})).get("type")
        if profile not in ("RuntimeDefault", "Localhost"):
            faults.append("no seccomp profile")
        faults += ["host port" for port in container.get("ports", []) if "hostPort" in port]
    return faults


@pytest.mark.parametrize("file", sorted((ROOT / "deploy/k8s").rglob("*.yaml")), ids=str)
def test_files_are_read_by_some_kustomization(file: Path) -> None:
    """A manifest that nothing names is applied by nobody."""
    if file.name == "kustomization.yaml":
        return
    beside = yaml.safe_load((file.parent / "kustomization.yaml").read_text())
    named = [*beside.get("resources", []), *(one.get("path") for one in beside.get("patches", []))]
    assert file.name in named
