"""Fixtures for every test: the size of a run, the real Kafka and PostgreSQL (started when asked for)."""

import os

import pytest

pytest_plugins = ["devstack.pytest_plugin"]

SIZES = ("quick", "faults", "long")


@pytest.fixture(scope="session")
def size() -> str:
    """How much of the same is tried: `quick` in `make test`, `faults` in `make test-faults`, or `long`.

    The assertions are the same in every size.
    """
    size = os.environ.get("LULL_TEST_SIZE", SIZES[0])
    if size not in SIZES:
        raise pytest.UsageError(f"LULL_TEST_SIZE is {size!r}; it can be {', '.join(SIZES)}")
    return size
