"""Fixtures for every test: the size of a run, the real Kafka and PostgreSQL."""

import os

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("lull", deadline=None)
settings.load_profile("lull")

pytest_plugins = ["devstack.pytest_plugin", "devstack.browser_plugin"]

SIZES = ("quick", "faults", "long")


@pytest.fixture(scope="session")
def size() -> str:
    """How much is tried, by the same assertions: `quick` in `make test`, `faults`, or `long`."""
    size = os.environ.get("LULL_TEST_SIZE", SIZES[0])
    if size not in SIZES:
        raise pytest.UsageError(f"LULL_TEST_SIZE is {size!r}; it can be {', '.join(SIZES)}")
    return size
