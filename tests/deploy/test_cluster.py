"""The manifests met by a real Kubernetes, and where a node runs, the product in it.

`LULL_TEST_KUBECONFIG` names the cluster; what is made there is taken away again. The product itself
comes up only where a node has the images `lull/*:local`.
"""

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from devstack.waiting import wait_until

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / "deploy/k8s/local"
KUBECTL = shutil.which("kubectl") or ""
# What `overlays/local` adds outside its namespace, names for browsers, cannot be renamed with it.
OVERLAYS = {
    "local": ROOT / "deploy/k8s/overlays/local/lull",
    "prod": ROOT / "deploy/k8s/overlays/prod",
    "prod-everything": Path(__file__).parent / "prod-everything",
}
OPERATORS_OWN = ("monitoring.coreos.com", "keda.sh")  # only where their operators are
ROLLED = ("ingest", "settings", "debounce", "delivery-")
PLAYED_S = 600


@pytest.fixture(scope="module")
def cluster() -> dict[str, str]:
    """The environment in which `kubectl` talks to the cluster of the test."""
    kubeconfig = os.environ.get("LULL_TEST_KUBECONFIG")
    if not kubeconfig:
        pytest.skip("LULL_TEST_KUBECONFIG names no Kubernetes")
    if not KUBECTL:
        pytest.skip("no kubectl on this machine")
    return {**os.environ, "KUBECONFIG": kubeconfig}


def run(
    cluster: dict[str, str], *command: str, said: str = "", timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=cluster,
        input=said,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def kubectl(cluster: dict[str, str], *arguments: str, said: str = "") -> str:
    done = run(cluster, KUBECTL, *arguments, said=said)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def namespace(cluster: dict[str, str]) -> Iterator[str]:
    name = f"lull-test-{uuid.uuid4().hex[:8]}"
    yield name
    run(cluster, KUBECTL, "delete", "namespace", name, "--ignore-not-found", "--wait=false")


def renamed(cluster: dict[str, str], overlay: str, namespace: str, folder: Path) -> str:
    """The overlay as an operator's own kustomization would have it, in a namespace of that name."""
    above = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "resources": [os.path.relpath(OVERLAYS[overlay], folder)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(above))
    made = yaml.safe_load_all(kubectl(cluster, "kustomize", str(folder)))
    return yaml.safe_dump_all(
        one for one in made if not one["apiVersion"].startswith(OPERATORS_OWN)
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_is_admitted_without_a_warning(
    cluster: dict[str, str], overlay: str, namespace: str, tmp_path: Path
) -> None:
    manifests = renamed(cluster, overlay, namespace, tmp_path)
    done = run(cluster, KUBECTL, "apply", "--validate=strict", "-f", "-", said=manifests)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    labels = json.loads(kubectl(cluster, "get", "namespace", namespace, "-o", "json"))["metadata"]
    assert labels["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    bare = ("-n", namespace, "create", "deployment", "planted", "--image=planted")
    assert "would violate PodSecurity" in run(cluster, KUBECTL, *bare).stderr


@pytest.fixture(scope="module")
def product(cluster: dict[str, str]) -> Iterator[float]:
    """Up and rolled out from `overlays/local`; the seconds that took."""
    nodes = json.loads(kubectl(cluster, "get", "nodes", "-o", "json"))["items"]
    images = {
        name
        for node in nodes
        for image in node["status"].get("images", ())
        for name in image["names"] or ()
    }
    if not any(name.endswith("lull/ingest:local") for name in images):
        pytest.skip("no node of this cluster has the images lull/*:local")
    if run(cluster, KUBECTL, "get", "namespace", "lull").returncode == 0:
        pytest.fail("the cluster has a namespace `lull` already: it may be somebody's")
    began = time.monotonic()
    try:
        up = run(cluster, str(LOCAL), "up", timeout_s=900)
        assert up.returncode == 0, up.stdout + up.stderr
        yield time.monotonic() - began
    finally:
        run(cluster, str(LOCAL), "down", timeout_s=300)


def test_the_product_comes_up_and_the_scenario_passes_through_it(
    cluster: dict[str, str], product: float
) -> None:
    print(f"up and rolled out after {product:.0f} s")
    played = run(cluster, str(LOCAL), "play", timeout_s=PLAYED_S)
    assert played.returncode == 0, played.stdout + played.stderr


def test_a_rolling_restart_of_everything_under_load_loses_nothing(
    cluster: dict[str, str], product: float
) -> None:
    rolled = [
        name
        for name in kubectl(
            cluster, "-n", "lull", "get", "deployment,statefulset", "-o", "name"
        ).split()
        if name.partition("/")[2].startswith(ROLLED)
    ]
    assert len(rolled) > len(ROLLED)
    playing = subprocess.Popen(
        [str(LOCAL), "play", "--interrupted"],
        env=cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: _plays(cluster), 120, each_s=0.5)
        for name in rolled:
            kubectl(cluster, "-n", "lull", "rollout", "restart", name)
        for name in rolled:
            kubectl(cluster, "-n", "lull", "rollout", "status", "--timeout=100s", name)
        said, _ = playing.communicate(timeout=PLAYED_S)
    finally:
        playing.kill()
    assert playing.returncode == 0, said


def _plays(cluster: dict[str, str]) -> bool:
    pods: dict[str, Any] = json.loads(
        kubectl(cluster, "-n", "lull", "get", "pod", "-l", "job-name=trial-play", "-o", "json")
    )
    return any(pod["status"]["phase"] == "Running" for pod in pods["items"])
