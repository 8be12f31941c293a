"""Free ports for servers that stop and come back on the same port."""

import random
import socket
import threading
from typing import Final

# Below every system's range for outgoing connections (Linux 32768+, macOS 49152+). A port from that
# range, as bind(0) gives it, can be taken by a client that keeps trying to reach the stopped
# server: its own outgoing port may be the very one it calls, and then it talks to itself.
RANGE: Final = range(15_000, 32_000)

_given: set[int] = set()
_lock = threading.Lock()


def free_port() -> int:
    """One that nobody listens on and that this process has not given away before."""
    with _lock:
        for port in random.sample(RANGE, len(RANGE)):
            if port not in _given and is_free(port):
                _given.add(port)
                return port
    raise OSError("no free port on 127.0.0.1")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
