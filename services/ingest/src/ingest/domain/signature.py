"""Intercom's signature: HMAC-SHA1 over the raw bytes, keyed by the app's client secret.

Source: Intercom's webhook models page, `X-Hub-Signature: sha1=<40 hex>` (read 2026-11-22).
"""

import hmac
import re
from collections.abc import Iterable

_HEADER = re.compile(r"sha1=([0-9a-f]{40})")


def is_signed(body: bytes, header: str | None, secrets: Iterable[bytes]) -> bool:
    """Whether one of the secrets signed exactly these bytes; in constant time per secret.

    Several secrets are valid at once while the app's secret is rotated.
    """
    form = _HEADER.fullmatch(header or "")
    if form is None:
        return False
    given = form[1].encode()
    # Every secret is tried, whichever matches: the time tells nothing of their order.
    matches = [hmac.compare_digest(_signature(body, secret), given) for secret in secrets]
    return any(matches)


def _signature(body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, body, "sha1").hexdigest().encode()
