"""One product for the tests of what it tells about itself, with a collector for its traces."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from demo.product import Product
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """Takes OTLP over HTTP, as any vendor's does."""

    bodies: list[bytes] = field(default_factory=list)
    endpoint: str = ""

    def spans(self) -> list[tuple[str, Span]]:
        """Each with the service it came from."""
        found = []
        for body in list(self.bodies):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [(names["service.name"], span) for span in scope.spans]
        return found


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    taken = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield taken
        server.shutdown()
        thread.join()


class TracedProduct(Product):
    collector: Collector

    def variables_of(self, name: str) -> dict[str, str]:
        return {"LULL_OTLP_ENDPOINT": self.collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}


@pytest.fixture(scope="package")
def product(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> Iterator[TracedProduct]:
    product = TracedProduct(tmp_path_factory.mktemp("product"), quiet_period_s=2)
    product.collector = collector
    try:
        product.start()
        yield product
    finally:
        product.stop()
