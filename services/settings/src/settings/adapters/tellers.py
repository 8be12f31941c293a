"""The ways to an admin: a signed webhook of the deployment's own, and e-mail.

The webhook is signed as Standard Webhooks 1.0 has it (standardwebhooks.com, read 2026-11-26). An
address for e-mail is asked of Intercom when it is needed, and kept nowhere (R11).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import httpx
from common import http
from common.catalog import APPS
from common.clock import Clock

from settings.ports.faults import NotTold
from settings.ports.people import Notice

_DEADLINE = timedelta(seconds=10)
_ANSWER_MAX_BYTES = 64 * 1024


def signature(secrets: Sequence[str], notice_id: str, sent_at: int, body: bytes) -> str:
    """One for each secret, space-separated: a receiver may know either while one is rotated."""
    return " ".join(_signature(secret, notice_id, sent_at, body) for secret in secrets)


def _signature(secret: str, notice_id: str, sent_at: int, body: bytes) -> str:
    """`v1,<base64 of HMAC-SHA256 over id.timestamp.body>`."""
    signed = f"{notice_id}.{sent_at}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


@dataclass(frozen=True, slots=True)
class Webhook:
    client: httpx.AsyncClient
    clock: Clock
    url: str
    secrets: Sequence[str]
    console_url: str

    name = "webhook"

    def __repr__(self) -> str:
        return "Webhook()"

    async def tell(self, notice: Notice) -> None:
        what, means = _said(notice)
        body = json.dumps(
            {
                "type": "lull.attention",
                "workspace_id": notice.workspace.id,
                "matter": notice.attention.matter,
                "app": notice.attention.app,
                "count": notice.attention.count or None,
                "since": notice.since.isoformat(),
                "text": f"{what} {means}".strip(),
                "url": f"{self.console_url}/",
            }
        ).encode()
        sent_at = int(self.clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(sent_at),
            "webhook-signature": signature(self.secrets, notice.id, sent_at, body),
        }
        request = self.client.build_request("POST", self.url, content=body, headers=headers)
        try:
            answer = await http.send(self.client, request, _DEADLINE, _ANSWER_MAX_BYTES)
        except (httpx.HTTPError, TimeoutError, OSError):
            raise NotTold("unreachable") from None
        if not answer.is_success:
            raise NotTold(f"http_{answer.status_code}")


@dataclass(frozen=True, slots=True)
class Mail:
    """`address_of` asks Intercom for the admin's address; None: there is none any more."""

    server: str  # smtp://, smtp+starttls:// or smtps://, with user and password where it needs them
    sender: str
    console_url: str
    address_of: Callable[[str, str], Awaitable[str | None]]

    name = "mail"

    def __repr__(self) -> str:
        return "Mail()"

    async def tell(self, notice: Notice) -> None:
        workspace = notice.workspace
        address = await self.address_of(workspace.id, workspace.admin_id)
        if address is None:
            raise NotTold("no_address")
        try:
            await asyncio.to_thread(self._send, self._message(notice, address))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotTold(type(error).__name__) from None

    def _message(self, notice: Notice, address: str) -> EmailMessage:
        """Raises ValueError for an address that is none."""
        what, means = _said(notice)
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = address
        message["Subject"] = what
        message["Message-ID"] = f"<{notice.id}@lull>"  # a repeat is recognised
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(
            f"{what} {means}".strip()
            + f"\n\nWorkspace: {notice.workspace.name or notice.workspace.id}\n"
            f"Look after it here: {self.console_url}/\n"
        )
        return message

    def _send(self, message: EmailMessage) -> None:
        parts = urlsplit(self.server)
        host, timeout = parts.hostname or "", _DEADLINE.total_seconds()
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if parts.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, parts.port or 465, timeout=timeout, context=context)
        else:
            server = smtplib.SMTP(host, parts.port or 587, timeout=timeout)
        with server:
            if parts.scheme == "smtp+starttls":
                server.starttls(context=context)
            if parts.username:
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(message)


def _said(notice: Notice) -> tuple[str, str]:
    app = notice.attention.app
    return notice.attention.said(APPS[app].name if app in APPS else app or "")
