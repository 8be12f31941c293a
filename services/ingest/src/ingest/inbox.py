"""The inbox app: a card for each request of Canvas Kit's, and what was pressed on it, carried out.

What people typed is in the request and in the answer, and nowhere in between (R11).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from common import log
from common.catalog import APPS, ActionKind
from common.clock import Clock
from common.peers import PeerUnavailable

from ingest.domain.action_card import Asked, done_card, first_asked, form_card
from ingest.domain.canvas_kit import Canvas
from ingest.domain.canvas_request import (
    DO,
    OPEN,
    Drawing,
    Looking,
    NotUsable,
    Press,
    looking_of,
    press_of,
)
from ingest.domain.card import NO_CONVERSATION, NOT_CONFIGURED, Pending, card, said
from ingest.domain.signature import is_canvas_signed
from ingest.domain.standing import SYNC, End, Ends
from ingest.domain.strict_json import Malformed, parse_object
from ingest.ports import Actions, PendingUpdates

_log = log.get(__name__)

# Delivery may have forgotten by then that it was pressed: after a restore it doubts for so long.
FORM_LIVES: Final = timedelta(days=1)
_OLD: Final = End(
    state=Ends.CONFLICT,
    sentence="This form is over a day old. See whether it was done before you press again.",
)
PENDING_WITHIN: Final = timedelta(milliseconds=500)
_KINDS: Final = frozenset({*ActionKind, SYNC})


class Unsigned(Exception):
    """Not signed with the Intercom app's secret: nothing was read or done."""


class Unusable(Exception):
    """Signed, but not a request of Canvas Kit's that can be answered."""


@dataclass(frozen=True, slots=True)
class Inbox:
    actions: Actions | None  # None: not configured
    pending: PendingUpdates
    secrets: tuple[bytes, ...]
    clock: Clock
    new_id: Callable[[], str]

    async def initialize(self, body: bytes, signature: str | None) -> Canvas:
        """The card of a conversation. Raises Unsigned, Unusable."""
        document = self._document(body, signature)
        try:
            looking = looking_of(document)
        except NotUsable:
            raise Unusable from None
        return await self._card(looking)

    async def submit(self, body: bytes, signature: str | None) -> Canvas:
        """The card after a press. Raises Unsigned, Unusable."""
        document = self._document(body, signature)
        try:
            press = press_of(document)
        except NotUsable:
            raise Unusable from None
        button, drawing = press.button, press.drawing
        if drawing is not None and button.app in APPS and button.kind in _KINDS:
            if button.does == OPEN and button.kind != SYNC:
                fresh = Drawing(self.new_id(), self._now(), drawing.persons)
                return form_card(first_asked(button.app, button.kind, fresh, press.looking.contact))
            if button.does == DO and press.looking.conversation_id is not None:
                return await self._done(press, drawing)
        return await self._card(press.looking)

    def _document(self, body: bytes, signature: str | None) -> dict[str, object]:
        if not is_canvas_signed(body, signature, self.secrets):
            raise Unsigned
        try:
            return parse_object(body)
        except Malformed:
            raise Unusable from None

    async def _card(self, looking: Looking) -> Canvas:
        if self.actions is None:
            return said(NOT_CONFIGURED)
        if looking.conversation_id is None:
            return said(NO_CONVERSATION)
        (standings, silent), pending = await asyncio.gather(
            self.actions.standings(looking),
            self._pending(looking.workspace_id, looking.conversation_id),
        )
        drawing = Drawing(self.new_id(), self._now())
        return card(standings, silent, pending, drawing, self.clock.now())

    async def _pending(self, workspace_id: str, conversation_id: str) -> Pending:
        try:
            async with asyncio.timeout(PENDING_WITHIN.total_seconds()):
                return Pending(await self.pending.due_at(workspace_id, conversation_id))
        except (PeerUnavailable, TimeoutError):
            return Pending(known=False)

    async def _done(self, press: Press, drawing: Drawing) -> Canvas:
        if self.actions is None:
            return said(NOT_CONFIGURED)
        asked = Asked(press.button.app, press.button.kind, drawing, press.typed)
        old = self._now() - drawing.at > FORM_LIVES.total_seconds()
        end = _OLD if old else await self.actions.press(press.looking, asked)
        _log.info(
            "canvas.pressed",
            workspace_id=press.looking.workspace_id,
            conversation_id=press.looking.conversation_id,
            app=asked.app,
            kind=asked.kind,
            action_id=asked.action_id,
            end=end.state,
        )
        if end.state is Ends.DONE:
            return done_card(asked, end)
        if end.state is Ends.CONFLICT:  # the next press is an action of its own
            fresh = Drawing(self.new_id(), self._now(), drawing.persons)
            asked = Asked(asked.app, asked.kind, fresh, asked.typed)
        return form_card(asked, end)

    def _now(self) -> int:
        return int(self.clock.now().timestamp())
