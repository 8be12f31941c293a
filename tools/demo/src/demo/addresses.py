"""Where to go on: what runs on this machine, and where."""

from rich.table import Table

from demo.environment import local
from demo.product import Product
from demo.show import console


def addresses(product: Product) -> None:
    ports = product.ports
    places = {
        "ingest takes webhooks at": f"{local(ports.ingest)}/webhooks/intercom",
        "the console: sign in and switch sync": f"{local(ports.settings)}/",
        "settings' API": f"{local(ports.settings)}/v1/openapi.json",
        "why? of any conversation": f"{local(ports.delivery)}/v1/deliveries/WORKSPACE/CONVERSATION",
    }
    if product.simulators is not None:
        places = {"Intercom and the CRMs, simulated": f"{product.simulators}/"} | places
    for name in product.replicas.by_name:
        places[f"health of {name}"] = f"{product.health_url(name)}/readyz (/healthz, /metrics)"
    if product.stack is not None:
        places["Kafka"] = product.stack.kafka_bootstrap
        places["PostgreSQL"] = product.stack.postgres_dsn.rpartition("@")[2]
    places["logs"] = str(product.logs)
    table = Table.grid(padding=(0, 2))
    for name, place in places.items():
        table.add_row(name, place)
    console.print(table, soft_wrap=True)
