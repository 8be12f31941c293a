"""Several replicas of each service on one machine: names, ports, and what each is told."""

from dataclasses import dataclass
from typing import Final

from devstack.ports import free_port

from demo.environment import Ports, local

# The listeners of each service, as its variables name them. Those that others reach are balanced;
# debounce's is asked replica by replica, since each knows its own partitions alone.
BALANCED: Final = {
    "ingest": ("ingest",),
    "debounce": (),
    "delivery": ("delivery",),
    "settings": ("settings", "settings_internal"),
}
OWN: Final = {"debounce": ("debounce",)}


@dataclass(frozen=True, slots=True)
class Replica:
    name: str  # the first one is called like its service
    service: str
    ports: dict[str, int]  # by listener

    def variables(self) -> dict[str, str]:
        given = {
            f"LULL_{listener.upper()}_PORT": str(port) for listener, port in self.ports.items()
        }
        if self.service in ("debounce", "delivery"):
            given[f"LULL_{self.service.upper()}_INSTANCE_ID"] = self.name
        return given


class Replicas:
    """Of every service as many; one alone listens where others look for it."""

    def __init__(self, each: int, public: Ports) -> None:
        self._public = public
        self.all = [
            self._replica(service, number, each, public)
            for service in BALANCED
            for number in range(each)
        ]
        self.by_name = {replica.name: replica for replica in self.all}

    def routes(self) -> dict[int, list[int]]:
        """From the port that others know to those of the replicas, where these differ."""
        found: dict[int, list[int]] = {}
        for replica in self.all:
            for listener in BALANCED[replica.service]:
                found.setdefault(getattr(self._public, listener), []).append(
                    replica.ports[listener]
                )
        return {port: behind for port, behind in found.items() if behind != [port]}

    def shared(self) -> dict[str, str]:
        """What all services are told of the replicas."""
        debounces = [local(one.ports["debounce"]) for one in self.all if one.service == "debounce"]
        urls = ",".join(debounces)
        return {"LULL_SETTINGS_DEBOUNCE_URLS": urls, "LULL_INGEST_DEBOUNCE_URLS": urls}

    def _replica(self, service: str, number: int, each: int, public: Ports) -> Replica:
        ports = {
            listener: getattr(public, listener) if each == 1 else free_port()
            for listener in BALANCED[service]
        }
        for listener in (*OWN.get(service, ()), f"{service}_health"):
            ports[listener] = getattr(public, listener) if number == 0 else free_port()
        return Replica(service if number == 0 else f"{service}-{number}", service, ports)
