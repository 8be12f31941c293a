"""What a service did not take while it was restarted is sent again."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from demo import again
from demo.again import SendsAgain
from devstack.ports import free_port


class Server:
    """Answers with `statuses` one after another, then 202; keeps the bodies."""

    def __init__(self, *statuses: int) -> None:
        self.port = free_port()
        self.bodies: list[bytes] = []
        bodies, left = self.bodies, list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(left.pop(0) if left else 202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._handler = Handler

    def start(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def send(self) -> int:
        with httpx.Client(transport=SendsAgain(trust_env=False)) as client:
            return client.post(f"http://127.0.0.1:{self.port}/", json={"a": 1}).status_code


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "EVERY_S", 0.01)


@pytest.mark.parametrize(("statuses", "sent", "seen"), [((503, 503), 3, 202), ((409,), 1, 409)])
def test_only_what_was_not_taken_is_sent_again(
    statuses: tuple[int, ...], sent: int, seen: int
) -> None:
    server = Server(*statuses)
    server.start()
    assert server.send() == seen
    assert server.bodies == [b'{"a":1}'] * sent
    server.stop()


def test_a_service_that_is_not_there_yet_is_waited_for() -> None:
    server = Server()
    timer = threading.Timer(0.2, server.start)
    timer.start()
    assert server.send() == 202
    timer.join()
    server.stop()


def test_it_ends_with_the_last_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "WITHIN_S", 0.1)
    server = Server(*[503] * 1_000)
    with pytest.raises(httpx.ConnectError):
        server.send()
    server.start()
    assert server.send() == 503
    server.stop()
