"""Everything the simulators hold in memory, and how it starts anew."""

from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from starlette.requests import Request
from starlette.responses import Response

from simulators.clock import Clock
from simulators.config import SimulatorsConfig
from simulators.contract import Exchange, VendorContract
from simulators.crm import CrmStore
from simulators.faults import FaultBook
from simulators.http import Call, Json
from simulators.intercom.store import IntercomStore
from simulators.journal import Journal
from simulators.knobs import Knobs
from simulators.oauth import TokenServer

INTERCOM_CODE_LIFETIME_S = 600
"""Not documented, so generous."""

KEPT_VIOLATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmFacts:
    """How one CRM does what all of them do."""

    name: str
    title: str
    code_lifetime_s: float
    token_lifetime_s: float
    rotates_refresh_tokens: bool  # whether a refresh ends the refresh token that was used


def client_of(vendor: str) -> tuple[str, str]:
    """Id and secret of the OAuth app that a simulated vendor knows from the start."""
    return f"{vendor}-client", f"{vendor}-secret"


@dataclass(slots=True)
class _Contents:
    clock: Clock
    knobs: Knobs
    faults: FaultBook
    journal: Journal
    intercom: IntercomStore
    crms: dict[str, CrmStore]
    violations: list[Json]


class World:
    """The one thing all parts share. Ask it anew each time: a reset replaces its contents."""

    def __init__(self, config: SimulatorsConfig, crms: Iterable[CrmFacts]) -> None:
        self.config = config
        self._crms = tuple(crms)
        names = ("intercom", *(crm.name for crm in self._crms))
        self._contracts = (
            {name: VendorContract(name) for name in names} if config.validate_traffic else {}
        )
        self._contents = self._fresh()

    def reset(self) -> None:
        self._contents = self._fresh()

    def _fresh(self) -> _Contents:
        return _Contents(
            clock=Clock(),
            knobs=Knobs.of(self._crms),
            faults=FaultBook({"intercom", *(crm.name for crm in self._crms)}),
            journal=Journal(),
            intercom=IntercomStore(*client_of("intercom"), TokenServer(INTERCOM_CODE_LIFETIME_S)),
            crms={
                crm.name: CrmStore(*client_of(crm.name), TokenServer(crm.code_lifetime_s))
                for crm in self._crms
            },
            violations=[],
        )

    @property
    def clock(self) -> Clock:
        return self._contents.clock

    @property
    def knobs(self) -> Knobs:
        return self._contents.knobs

    @knobs.setter
    def knobs(self, knobs: Knobs) -> None:
        self._contents.knobs = knobs

    @property
    def faults(self) -> FaultBook:
        return self._contents.faults

    @property
    def journal(self) -> Journal:
        return self._contents.journal

    @property
    def intercom(self) -> IntercomStore:
        return self._contents.intercom

    @property
    def crms(self) -> dict[str, CrmStore]:
        return self._contents.crms

    @property
    def violations(self) -> list[Json]:
        return self._contents.violations

    def public_url(self, request: Request) -> str:
        """Our address as the caller reaches it."""
        if self.config.public_url:
            return self.config.public_url.rstrip("/")
        return f"{request.url.scheme}://{request.url.netloc}"

    def check(self, vendor: str, call: Call, response: Response) -> None:
        """Record what the exchange breaks of the vendor's API description, when asked to look."""
        contract = self._contracts.get(vendor)
        if contract is None:
            return
        exchange = Exchange(
            method=call.method,
            path=call.path,
            query=call.query.multi_items(),
            request_type=call.headers.get("content-type", ""),
            request_body=call.body,
            status=response.status_code,
            response_type=response.headers.get("content-type", ""),
            response_body=bytes(response.body),
        )
        self._note(vendor, call.method, call.path, response.status_code, contract.check(exchange))

    def check_webhook(self, topic: str, body: bytes) -> None:
        contract = self._contracts.get("intercom")
        if contract is not None:
            self._note("intercom", "WEBHOOK", topic, 0, contract.check_webhook(topic, body))

    def check_canvas(self, name: str, body: bytes, status: int, faults: list[str]) -> None:
        """Of a Canvas Kit request: what it breaks, and what Intercom would not show."""
        contract = self._contracts.get("intercom")
        if contract is not None:
            broken = contract.check_webhook(f"canvas-kit-inbox-{name}", body)
            shown = faults if status == httpx.codes.OK else []
            self._note("intercom", "CANVAS", name, status, [*broken, *shown])

    def _note(self, vendor: str, method: str, path: str, status: int, messages: list[str]) -> None:
        room = KEPT_VIOLATIONS - len(self.violations)
        self.violations.extend(
            {"vendor": vendor, "method": method, "path": path, "status": status, "message": text}
            for text in messages[: max(0, room)]
        )
