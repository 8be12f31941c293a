"""Permits for rate-limited calls, out of PostgreSQL, so that they hold across all replicas.

Under load one transaction hands out many permits, and alone a call waits for one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from common import log
from common.together import Together

from delivery.adapters.database import connected
from delivery.domain.rates import Asked, Bucket, Permit, RateLimit, Told, heed, take, tells_more
from delivery.ports import LedgerAway

_log = log.get(__name__)

_AT_ONCE: Final = 500  # calls per transaction
_SEEN_MAX: Final = 20_000  # buckets remembered, to know which headers say something new
PATIENCE: Final = timedelta(seconds=10)

_NEW = """
INSERT INTO rate_limit (bucket) SELECT unnest($1::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
# In the same order everywhere, or two replicas could wait for each other.
_LOOK = """
SELECT bucket, free_at, window_at, used, held_until, amount, clock_timestamp() AS at
  FROM rate_limit WHERE bucket = ANY ($1::text[]) ORDER BY bucket FOR UPDATE
"""
_KEEP = """
UPDATE rate_limit AS r SET free_at = n.free_at, window_at = n.window_at, used = n.used,
       held_until = n.held_until, amount = n.amount
  FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::int[], $5::timestamptz[],
              $6::int[]) AS n(bucket, free_at, window_at, used, held_until, amount)
 WHERE r.bucket = n.bucket
"""


@dataclass(frozen=True, slots=True)
class Granted:
    wait_s: float
    permit: Permit


@dataclass(frozen=True, slots=True)
class _Word:
    key: str
    limit: RateLimit
    told: Told


class Permits:
    """What every call of this replica asks first.

    Args:
        pool: may be unable to connect; `take` then raises LedgerAway.
        patience: a turn that is further off is not waited for with a row in hand.

    """

    def __init__(self, pool: asyncpg.Pool, patience: timedelta = PATIENCE) -> None:
        self._pool = pool
        self._patience = patience
        self._seen: OrderedDict[str, Bucket] = OrderedDict()
        self._turns: Together[Asked | _Word, Granted | None] = Together(
            self._turn, expected=LedgerAway, at_once=_AT_ONCE
        )

    async def take(self, asked: Asked) -> Granted:
        """When this call may be sent, or that it is not to wait for. Raises LedgerAway."""
        granted = await self._turns(asked)
        assert granted is not None  # noqa: S101 - only a word has no answer
        return granted

    def tell(self, key: str, limit: RateLimit, told: Told) -> None:
        """The vendor's own word; it costs nothing where it says nothing new."""
        if tells_more(self._seen.get(key, Bucket()), limit, told):
            self._turns.post(_Word(key, limit, told)).add_done_callback(_heeded)

    async def aclose(self) -> None:
        await self._turns.aclose()

    async def _turn(self, asked: Sequence[Asked | _Word]) -> Sequence[Granted | Exception | None]:
        words = [one for one in asked if isinstance(one, _Word)]
        calls = [one for one in asked if not isinstance(one, _Word)]
        counted = [key for call in calls for key, _, _ in call.counted]
        keys = sorted({*counted, *(one.key for one in words)})
        async with connected(self._pool) as connection, connection.transaction():
            records = await connection.fetch(_LOOK, keys)
            if len(records) < len(keys):
                await connection.execute(_NEW, keys)
                records = await connection.fetch(_LOOK, keys)
            buckets = {record["bucket"]: _bucket(record) for record in records}
            now: datetime = max(record["at"] for record in records)
            for word in words:
                buckets[word.key] = heed(buckets[word.key], word.limit, word.told, now)
            buckets, permits = take(buckets, calls, now, self._patience)
            await connection.execute(_KEEP, *_columns(buckets))
        self._remember(buckets)
        granted = iter(Granted((permit.at - now).total_seconds(), permit) for permit in permits)
        return [None if isinstance(one, _Word) else next(granted) for one in asked]

    def _remember(self, buckets: dict[str, Bucket]) -> None:
        for key, bucket in buckets.items():
            self._seen[key] = bucket
            self._seen.move_to_end(key)
        while len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)


def _heeded(word: "asyncio.Future[Granted | None]") -> None:
    if not word.cancelled() and word.exception() is not None:
        _log.warning("permits.word_lost", error=type(word.exception()).__name__)


def _bucket(record: Any) -> Bucket:
    return Bucket(
        record["free_at"],
        record["window_at"],
        record["used"],
        record["held_until"],
        record["amount"],
    )


def _columns(buckets: dict[str, Bucket]) -> list[list[Any]]:
    kept = buckets.values()
    return [
        list(buckets),
        [bucket.free_at for bucket in kept],
        [bucket.window_at for bucket in kept],
        [bucket.used for bucket in kept],
        [bucket.held_until for bucket in kept],
        [bucket.amount for bucket in kept],
    ]
