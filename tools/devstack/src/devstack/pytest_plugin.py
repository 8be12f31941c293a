"""Fixtures: one Kafka and one PostgreSQL per test session, each started when a test first asks.

In the root conftest: `pytest_plugins = ["devstack.pytest_plugin"]`.
"""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.stack import DevStack, Stack


def _say(line: str) -> None:
    """Only the download is worth a line; pytest captures the usual stream."""
    if line.startswith("Fetching"):
        print(line, file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def _stack_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("devstack")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _kafka(_stack_dir: Path) -> Iterator[Stack]:
    with DevStack(_stack_dir / "kafka", postgres=False, on_progress=_say) as running:
        yield running.stack


@pytest.fixture(scope="session")
def _postgres(_stack_dir: Path) -> Iterator[Stack]:
    with DevStack(_stack_dir / "postgres", kafka=False, on_progress=_say, durable=False) as running:
        yield running.stack


@pytest.fixture(scope="session")
def kafka_bootstrap(_kafka: Stack) -> str:
    """Bootstrap servers of the session's Kafka. Topics are the test's to create and name."""
    return _kafka.kafka_bootstrap


@pytest.fixture(scope="session")
def postgres_dsn(_postgres: Stack) -> str:
    """Superuser's DSN of the session's PostgreSQL; make a database with `ensure_database`."""
    return _postgres.postgres_dsn


@pytest.fixture(scope="session")
def stack(_kafka: Stack, _postgres: Stack, _stack_dir: Path) -> Stack:
    """Both, as one."""
    local = bool(_kafka.data_dir or _postgres.data_dir)
    return replace(
        _kafka,
        postgres_dsn=_postgres.postgres_dsn,
        postgres_source=_postgres.postgres_source,
        postgres_pid=_postgres.postgres_pid,
        data_dir=_stack_dir if local else None,
    )
