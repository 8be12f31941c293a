"""`lull` as people run it, and services for it to talk to."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from lull.main import app
from typer.testing import CliRunner

Run = Callable[..., subprocess.CompletedProcess[str]]


def _without_ours() -> dict[str, str | None]:
    return {name: None for name in os.environ if name.startswith("LULL_")}


@pytest.fixture(scope="session")
def lull() -> Run:
    """A process of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in _without_ours()}
        return subprocess.run(
            [sys.executable, "-c", "from lull.main import app; app()", *arguments],
            env=environment | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def lull_here() -> Run:
    """The same in this process, which starts at once."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(app, arguments, env=_without_ours() | variables)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(
            ["lull", *arguments], done.exit_code, done.stdout, done.stderr
        )

    return run


class Services:
    """Plays delivery and debounce: answers by path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.asked: list[dict[str, Any]] = []
        services = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                services.serve(self)

            do_POST = do_PUT = do_GET  # noqa: N815 - the library's own names

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str, *bodies: Any, status: int = 200) -> None:
        self.answers[path] = [(status, body) for body in bodies]

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        where = urlsplit(request.path)
        length = int(request.headers.get("content-length") or 0)
        self.asked.append(
            {
                "method": request.command,
                "path": where.path,
                "query": dict(parse_qsl(where.query)),
                "body": json.loads(request.rfile.read(length) or b"null"),
                "authorization": request.headers.get("authorization"),
            }
        )
        queue = self.answers.get(where.path) or [(404, {"title": "nothing here"})]
        status, body = queue.pop(0) if len(queue) > 1 else queue[0]
        said = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        request.send_header("content-length", str(len(said)))
        request.end_headers()
        request.wfile.write(said)


@pytest.fixture
def services() -> Iterator[Services]:
    services = Services()
    thread = threading.Thread(target=services.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield services
    services.server.shutdown()
    services.server.server_close()
    thread.join()
