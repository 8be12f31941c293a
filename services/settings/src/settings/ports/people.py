"""Sessions of those who look, and what admins are told."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from settings.domain.attention import Attention
from settings.domain.installations import (
    Workspace,
)
from settings.domain.sessions import Session


@dataclass(frozen=True, slots=True)
class Notice:
    """A matter that the admin of a workspace is to be told of."""

    workspace: Workspace
    attention: Attention
    since: datetime
    told_by: frozenset[str] = frozenset()  # the ways that it went out by

    @property
    def id(self) -> str:
        """The same however often it is sent: a repeat is recognised."""
        about = self.attention
        parts = (self.workspace.id, about.matter, about.app or "", self.since.isoformat())
        return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


class Teller(Protocol):
    """A way to reach an admin. Raises NotTold, VendorUnavailable or StoreUnavailable."""

    @property
    def name(self) -> str: ...

    async def tell(self, notice: Notice) -> None: ...


class NoticeStore(Protocol):
    def turn(self) -> AbstractAsyncContextManager[bool]:
        """Whether it is this replica's turn to tell, for as long as the context lasts."""
        ...

    async def keep(
        self, workspace: Workspace, matters: Sequence[Attention], at: datetime
    ) -> list[Notice]:
        """What is the matter now, and what of it was told; what is over is forgotten."""
        ...

    async def told(self, notice: Notice, by: str) -> None: ...


class SessionStore(Protocol):
    """Sessions by the hash of their id."""

    async def find(self, key: str) -> Session | None: ...

    async def create(self, session: Session, replaces: str | None) -> None:
        """Begin it, and end the one it replaces in the same moment."""
        ...

    async def seen(self, key: str, at: datetime) -> None: ...

    async def end(self, key: str) -> None: ...
