"""Who is signed in at a browser: what an opaque id stands for, and when that ends.

sign-in          each page            nothing for `idle`, or `absolute` after the sign-in
|-------------------|---|-----|--------------------------------------------|
new id, the old one ends                                              the session is over
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from settings.domain.authorizations import STATE_LIFETIME


@dataclass(frozen=True, slots=True)
class Lifetimes:
    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """One browser's. Who has not signed in yet has one too: the sign-in's state is bound to it."""

    key: str  # what is stored of its id
    created_at: datetime
    seen_at: datetime
    teammates: dict[str, str]  # workspace id -> the teammate who signed in there

    @property
    def signed_in(self) -> bool:
        return bool(self.teammates)

    def is_over(self, now: datetime, lifetimes: Lifetimes) -> bool:
        if not self.signed_in:
            return now >= self.created_at + STATE_LIFETIME
        return now >= self.seen_at + lifetimes.idle or now >= self.created_at + lifetimes.absolute


def session_key(session_id: str) -> str:
    """What is stored of an id: who reads the database cannot take over a session."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class CookieRule:
    """How the session's id is kept by the browser.

    Over https the name begins with `__Host-`, which browsers take only with Secure, for this very
    host, set by it. A browser keeps no Secure cookie of a plain http page, so on loopback alone,
    where nothing crosses a network, the plain name is used.
    """

    name: str
    secure: bool


def cookie_rule(public_url: str) -> CookieRule:
    """Raises ValueError where a session could be read on its way: plain http off this machine."""
    parts = urlsplit(public_url)
    if parts.scheme == "https":
        return CookieRule("__Host-lull", secure=True)
    if _is_loopback(parts.hostname or ""):
        return CookieRule("lull", secure=False)
    raise ValueError("must be https, unless it is this machine's own loopback address")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761; browsers never ask DNS
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
