"""Tokens at rest: AES-256-GCM, bound to the place where they are stored.

Stored form: `<key id>.<base64url of nonce and ciphertext>`. The place (workspace, app, field) and
the key id are authenticated with it, so a value copied to another row or column does not decrypt.
"""

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from settings.ports.faults import TokenUnreadable

_NONCE_BYTES = 12  # what GCM is made for; random is safe for 2^32 values a key


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs. None of the parts may hold a `|`."""

    workspace_id: str
    app: str
    field: str

    def bound_to(self, key_id: str) -> bytes:
        parts = (self.workspace_id, self.app, self.field, key_id)
        if any("|" in part for part in parts):
            raise ValueError("a place holds no separator")
        return "|".join(parts).encode()


class Keyring:
    """Encrypts with the newest key, decrypts with any."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        """Take `(id, base64 of 32 bytes)`, newest first."""
        self._ciphers = {key_id: AESGCM(base64.b64decode(key)) for key_id, key in keys}
        self.newest = keys[0][0]

    def encrypt(self, plain: str, place: Place) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self.newest].encrypt(
            nonce, plain.encode(), place.bound_to(self.newest)
        )
        return f"{self.newest}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def decrypt(self, stored: str, place: Place) -> str:
        """Raises TokenUnreadable."""
        key_id, _, encoded = stored.partition(".")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise TokenUnreadable("no such key")
        try:
            sealed = base64.b64decode(encoded, altchars=b"-_", validate=True)
            return cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.bound_to(key_id)
            ).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise TokenUnreadable("not what was stored here") from None
