"""Intercom's signatures: HMAC over the raw bytes, keyed by the app's client secret.

Sources: Intercom's webhook models page, `X-Hub-Signature: sha1=<40 hex>`; its Canvas Kit page,
`X-Body-Signature`, 64 hex digits of SHA-256 and nothing before them (read 2026-11-22).
"""

import hmac
import re
from collections.abc import Iterable

_WEBHOOK = (re.compile(r"sha1=([0-9a-f]{40})"), "sha1")
_CANVAS = (re.compile(r"([0-9a-f]{64})"), "sha256")


def is_signed(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bool:
    """Whether one of the secrets signed exactly these bytes; in constant time per secret.

    Several secrets are valid at once while the app's secret is rotated.
    """
    return _is_signed(body, header, secrets, *_WEBHOOK)


def is_canvas_signed(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bool:
    """The same for Canvas Kit's requests."""
    return _is_signed(body, header, secrets, *_CANVAS)


def _is_signed(
    body: bytes, header: str | None, secrets: Iterable[bytes], pattern: re.Pattern[str], digest: str
) -> bool:
    form = pattern.fullmatch(header or "")
    if form is None:
        return False
    given = form[1].encode()
    # Every secret is tried, whichever matches: the time tells nothing of their order.
    matches = [
        hmac.compare_digest(hmac.new(secret, body, digest).hexdigest().encode(), given)
        for secret in secrets
    ]
    return any(matches)
