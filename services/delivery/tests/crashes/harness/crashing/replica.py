"""One replica's attempts, made as the service makes them, for one workspace's rows at a time."""

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
from common.clock import SystemClock
from delivery.adapters.crm import crm_for
from delivery.adapters.guard import VendorGuard
from delivery.adapters.intercom import Intercom, conversation_link
from delivery.adapters.permits import Permits
from delivery.adapters.postgres import PostgresLedger
from delivery.adapters.settings import HttpSettings
from delivery.attempt import Attempts
from delivery.domain.backoff import Schedule
from delivery.domain.rates import RateLimit
from delivery.working import Limits, Needs

SHARE = 1_000
LEASE = timedelta(seconds=120)
# Every reply is a period of its own, and never too young.
LIMITS = Limits(
    quiet_period=timedelta(0),
    call_deadline=timedelta(seconds=20),
    schedule=Schedule(first=timedelta(seconds=5), in_all=timedelta(days=3)),
    random=random.random,
)


@dataclass(frozen=True, slots=True)
class Wiring:
    database_dsn: str
    settings_url: str
    settings_token: str


@dataclass(frozen=True, slots=True)
class Place:
    """Whose rows: one workspace's, where no other row is attempted meanwhile."""

    workspace: str
    crm: str
    crm_account: str
    others: tuple[str, ...]  # workspaces


@dataclass(frozen=True, slots=True)
class Replica:
    pool: asyncpg.Pool
    ledger: PostgresLedger
    attempts: dict[str, Attempts]
    settings: HttpSettings

    async def account_of(self, workspace: str, app: str) -> str:
        """The CRM account that the app is connected to."""
        installation = await self.settings.installation(workspace, app)
        assert installation is not None
        return installation.crm_account

    async def attempt(self, place: Place) -> bool:
        """Claim this workspace's row and attempt it; False: none is ready."""
        taken = dict.fromkeys(place.others, SHARE)
        claims = await self.ledger.claim(place.crm, 1, taken)
        for claim in claims:
            assert claim.row.key.workspace_id == place.workspace
            await self.attempts[place.crm].run(claim)
        return bool(claims)


def unchanged(limit: RateLimit) -> RateLimit:
    """As the CRM has it."""
    return limit


def quick(limit: RateLimit) -> RateLimit:
    """For whoever has no time to wait."""
    return replace(limit, per=limit.per / 1_000)


def slow(limit: RateLimit) -> RateLimit:
    """A call after another has to wait for its turn."""
    return limit if limit.is_budget else replace(limit, amount=2, per=timedelta(seconds=1))


@asynccontextmanager
async def replica(
    wiring: Wiring,
    crms: Sequence[str],
    ledger: type[PostgresLedger] = PostgresLedger,
    connections: int = 4,
    pace: Callable[[RateLimit], RateLimit] = unchanged,
) -> AsyncIterator[Replica]:
    """A replica.

    Args:
        pace: what each rate limit is there: `unchanged`, `quick` or `slow`.

    """
    pool = await asyncpg.create_pool(wiring.database_dsn, min_size=0, max_size=connections)
    settings = HttpSettings(wiring.settings_url, wiring.settings_token, SystemClock())
    intercom = Intercom()
    settings.rely(True)  # nothing changes here while it runs
    permits = Permits(pool)
    intercom.guard = VendorGuard("intercom", (), permits, random.random)
    rows = ledger(pool, owner="crashing", lease=LEASE, share=SHARE)
    adapters, attempts = [crm_for(name) for name in crms], {}
    for crm in adapters:
        limits = [pace(limit) for limit in crm.limits]
        crm.guard = VendorGuard(crm.name, limits, permits, random.random)
        attempts[crm.name] = Attempts(
            Needs(settings, intercom, crm, rows, conversation_link, LIMITS, reserve=crm.reserve)
        )
    try:
        yield Replica(pool, rows, attempts, settings)
    finally:
        await intercom.aclose()
        for crm in adapters:
            await crm.aclose()
        await permits.aclose()
        await settings.aclose()
        await pool.close()
