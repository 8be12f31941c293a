"""The files of `deploy/` that repeat what stands elsewhere: made from it, so they agree."""

from pathlib import Path
from typing import Any

import yaml
from common import topics
from common.catalog import CRMS
from demo.environment import simulated_vendors

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KAFKA_PAGE = ROOT / "docs" / "kafka-and-postgres.md"
K8S = DEPLOY / "k8s"
QUIET_S = 20
# Browsers take *.localhost for their own machine; compose and the local overlay give these names
# to the containers too, so that one address serves for people and for services.
SIMULATORS = "http://simulators.localhost:8090"
CONSOLE = "http://lull.localhost:8083"
ACCESS_BEGINS = "<!-- Made from deploy/access.yml by `make docs`; do not edit. -->"
ACCESS_ENDS = "<!-- End of what is made. -->"
MADE = "# Made by `make docs`; do not edit."


def files() -> dict[Path, str]:
    made = {
        DEPLOY / "trial" / "simulated.env": _simulated(),
        K8S / "delivery" / "kustomization.yaml": _every_crm(),
        K8S / "components" / "monitoring" / "rules.yaml": _prometheus_rule(),
        K8S / "components" / "keda" / "delivery.yaml": _scaled_objects(),
        KAFKA_PAGE: _with_access_table(KAFKA_PAGE.read_text()),
    }
    return made | {
        K8S / "delivery" / _name(crm) / "kustomization.yaml": _one_crm(crm) for crm in CRMS
    }


def _simulated() -> str:
    ours = {"LULL_QUIET_PERIOD_S": str(QUIET_S), "LULL_SETTINGS_PUBLIC_URL": CONSOLE}
    values = ours | simulated_vendors(SIMULATORS)
    lines = [MADE, "# A shortened quiet period, and the vendors' addresses: all at the simulators."]
    return "\n".join([*lines, *(f"{name}={value}" for name, value in values.items())]) + "\n"


def _name(crm: str) -> str:
    return crm.replace("_", "-")  # as Kubernetes wants names


def _every_crm() -> str:
    note = "# Every CRM of the catalog. Who serves some of them alone names those folders instead."
    return f"{MADE}\n{note}\n" + _yaml(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [_name(crm) for crm in CRMS],
        }
    )


def _one_crm(crm: str) -> str:
    return f"{MADE}\n" + _yaml(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": ["../crm"],
            "nameSuffix": f"-{_name(crm)}",
            "labels": [{"pairs": {"lull/crm": _name(crm)}, "includeSelectors": True}],
            "configMapGenerator": [{"name": "crm", "literals": [f"LULL_DELIVERY_CRMS={crm}"]}],
        }
    )


def _scaled_objects() -> str:
    found = [
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": f"delivery-{_name(crm)}"},
            "spec": {
                "scaleTargetRef": {
                    "apiVersion": "apps/v1",
                    "kind": "StatefulSet",
                    "name": f"delivery-{_name(crm)}",
                },
                "minReplicaCount": 2,
                "maxReplicaCount": 6,
                "cooldownPeriod": 900,  # each change of size moves partitions
                "triggers": [
                    {
                        "type": "kafka",
                        "metadata": {
                            "bootstrapServers": "kafka-bootstrap.kafka:9093",
                            "consumerGroup": f"delivery-{crm}",
                            "topic": topics.CONVERSATION_SETTLED,
                            "lagThreshold": "2000",
                            "limitToPartitionsWithLag": "true",
                        },
                    }
                ],
            },
        }
        for crm in CRMS
    ]
    return f"{MADE}\n" + "---\n".join(map(_yaml, found))


def _prometheus_rule() -> str:
    rules = yaml.safe_load((DEPLOY / "observability" / "rules.yml").read_text())
    return f"{MADE}\n# From deploy/observability/rules.yml.\n" + _yaml(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "lull"},
            "spec": rules,
        }
    )


def _with_access_table(page: str) -> str:
    access = yaml.safe_load((DEPLOY / "access.yml").read_text())
    lines = ["| principal | reads | writes | groups | else |", "|---|---|---|---|---|"]
    for principal, may in access.items():
        cells = [", ".join(f"`{n}`" for n in may[w]) or "–" for w in ("reads", "writes", "groups")]
        more = "creates topics, describes them and their settings" if may.get("creates") else "–"
        lines.append(f"| {' | '.join([principal, *cells, more])} |")
    table = "\n".join(lines)
    before, _, after = page.partition(ACCESS_BEGINS)
    rest = after.partition(ACCESS_ENDS)[2]
    return f"{before}{ACCESS_BEGINS}\n{table}\n{ACCESS_ENDS}{rest}"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=110)
