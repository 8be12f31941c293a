"""Permits for rate-limited calls, out of PostgreSQL, so that they hold across all replicas.

Whoever asks while a look is under way is served by the next one, all together: under load one
transaction hands out many permits, and alone a call waits for one.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
from common import log

from delivery.adapters.postgres import connected
from delivery.domain.rates import Bucket, Counted, Permit, RateLimit, Told, heed, take, tells_more
from delivery.ports import LedgerAway

_log = log.get(__name__)

_AT_ONCE: Final = 500  # calls per transaction
_SEEN_MAX: Final = 20_000  # buckets remembered, to know which headers say something new
PATIENCE: Final = timedelta(seconds=10)  # longer turns are not waited for with a row in hand

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


@dataclass(slots=True)
class _Asked:
    counted: Sequence[Counted]
    answer: "asyncio.Future[Granted]"


class Permits:
    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._asked: list[_Asked] = []
        self._told: list[tuple[str, RateLimit, Told]] = []
        self._seen: OrderedDict[str, Bucket] = OrderedDict()
        self._turn: asyncio.Task[None] | None = None

    async def take(self, counted: Sequence[Counted]) -> Granted:
        """When this call may be sent, or that it is not to wait for. Raises LedgerAway."""
        asked = _Asked(counted, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        self._go()
        return await asked.answer

    def tell(self, key: str, limit: RateLimit, told: Told) -> None:
        """The vendor's own word; it costs nothing where it says nothing new."""
        if tells_more(self._seen.get(key, Bucket()), limit, told):
            self._told.append((key, limit, told))
            self._go()

    async def aclose(self) -> None:
        if self._turn is not None:
            await asyncio.gather(self._turn, return_exceptions=True)

    def _go(self) -> None:
        if self._turn is None or self._turn.done():
            self._turn = asyncio.create_task(self._serve())

    async def _serve(self) -> None:
        while self._asked or self._told:
            asked, self._asked = self._asked[:_AT_ONCE], self._asked[_AT_ONCE:]
            told, self._told = self._told, []
            try:
                granted = await self._transact([one.counted for one in asked], told)
            except LedgerAway as error:
                for one in asked:
                    if not one.answer.done():
                        one.answer.set_exception(LedgerAway(str(error)))
            except Exception as error:  # noqa: BLE001 - whoever waits must not wait for ever
                _log.error("permits.surprised", exc_info=error)
                for one in asked:
                    if not one.answer.done():
                        one.answer.set_exception(LedgerAway("permits_broke"))
            else:
                for one, answer in zip(asked, granted, strict=True):
                    if not one.answer.done():  # its attempt may have been cut off
                        one.answer.set_result(answer)

    async def _transact(
        self, calls: Sequence[Sequence[Counted]], told: Sequence[tuple[str, RateLimit, Told]]
    ) -> list[Granted]:
        keys = sorted({key for call in calls for key, _, _ in call} | {key for key, _, _ in told})
        async with connected(self._pool) as connection, connection.transaction():
            records = await connection.fetch(_LOOK, keys)
            if len(records) < len(keys):
                await connection.execute(_NEW, keys)
                records = await connection.fetch(_LOOK, keys)
            buckets = {record["bucket"]: _bucket(record) for record in records}
            now: datetime = max(record["at"] for record in records)
            for key, limit, word in told:
                buckets[key] = heed(buckets[key], limit, word, now)
            buckets, permits = take(buckets, calls, now, PATIENCE)
            await connection.execute(_KEEP, *_columns(buckets))
        self._remember(buckets)
        return [Granted((permit.at - now).total_seconds(), permit) for permit in permits]

    def _remember(self, buckets: dict[str, Bucket]) -> None:
        for key, bucket in buckets.items():
            self._seen[key] = bucket
            self._seen.move_to_end(key)
        while len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)


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
