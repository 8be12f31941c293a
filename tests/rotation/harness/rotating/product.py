"""The whole product, of which each service is given values of its own when it is rolled."""

from typing import Any

from demo.product import Product


class RotatingProduct(Product):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.given: dict[str, dict[str, str]] = {"ingest": {}, "delivery": {}, "settings": {}}
        self.started_with: dict[str, dict[str, str]] = {}

    def variables_of(self, name: str) -> dict[str, str]:
        replica = self.replicas.by_name.get(name)
        return self.given.get(replica.service if replica else name, {})

    def give(self, service: str, **values: str) -> None:
        self.given[service] |= {f"LULL_{name}": value for name, value in values.items()}

    def first_databases(self) -> list[str]:
        """By the roles that everything was started with."""
        names = ("LULL_SETTINGS_DATABASE_URL", "LULL_DELIVERY_DATABASE_URL")
        return [self._environment[name] for name in names]

    def restart(self, name: str) -> None:
        super().restart(name)
        if name in self.replicas.by_name:
            self.started_with[name] = {**self._environment, **self.variables_of(name)}

    def roll(self) -> None:
        for name, replica in self.replicas.by_name.items():
            if replica.service in self.given:
                self.restart(name)
                self.wait_ready(name)
