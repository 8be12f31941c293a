"""A database of a test's own in the real PostgreSQL, and the ledger on it."""

import uuid
from datetime import timedelta

import asyncpg
from delivery.adapters.postgres import PostgresLedger
from delivery.adapters.schema import SCHEMA
from devstack import ensure_database


def empty_database(postgres_dsn: str) -> str:
    """Its address; nothing is in it yet."""
    name = f"delivery_{uuid.uuid4().hex[:12]}"
    return ensure_database(postgres_dsn, name, "delivery_of_tests", "delivery")


async def database(postgres_dsn: str) -> str:
    """Its address, with delivery's tables."""
    dsn = empty_database(postgres_dsn)
    await SCHEMA.migrate(dsn)
    return dsn


def ledger_on(pool: asyncpg.Pool, *, lease_s: float = 30, share: int = 1_000) -> PostgresLedger:
    lease = timedelta(seconds=lease_s)
    return PostgresLedger(pool, owner="test", lease=lease, share=share)
