"""Removes one container when its starter is gone: `python -m devstack.remover ID`.

Standard input is a pipe from the starter, as for `devstack.guard`.
"""

import signal
import sys

from testcontainers.core.docker_client import DockerClient

from devstack.engine import Gone


def main(container_id: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client = DockerClient().client
    sys.stdin.read()
    try:
        client.containers.get(container_id).remove(force=True, v=True)
    except Gone:
        pass
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1])
