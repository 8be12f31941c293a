"""OAuth as a vendor keeps it: codes used once, tokens that expire, grants that are revoked."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


class OAuthRefusedError(Exception):
    """The exchange is refused; `reason` is one of the words below.

    The vendor's file turns it into the vendor's own answer.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


CODE_UNKNOWN = "code unknown"
CODE_EXPIRED = "code expired"
REDIRECT_DIFFERS = "redirect differs"
VERIFIER_WRONG = "verifier wrong"
REFRESH_UNKNOWN = "refresh token unknown"


@dataclass(slots=True)
class Grant:
    """One authorization: somebody let our app into an account."""

    account: str
    user: str
    refresh_token: str
    alive: bool = True


@dataclass(frozen=True, slots=True)
class AccessToken:
    value: str
    grant: Grant
    expires_at: float | None  # None: lives until revoked
    audience: str | None = None  # the one resource it opens, where the vendor binds it to one


@dataclass(frozen=True, slots=True)
class _Code:
    account: str
    user: str
    redirect_uri: str | None
    challenge: str | None
    challenge_method: str
    expires_at: float


@dataclass(slots=True)
class TokenServer:
    """Codes, grants and tokens of one vendor."""

    code_lifetime_s: float
    _codes: dict[str, _Code] = field(default_factory=dict)
    _tokens: dict[str, AccessToken] = field(default_factory=dict)
    _refresh: dict[str, Grant] = field(default_factory=dict)

    def authorize(
        self,
        account: str,
        user: str,
        now: float,
        *,
        redirect_uri: str | None = None,
        challenge: str | None = None,
        challenge_method: str = "plain",
    ) -> str:
        """A code. It ends in "=", as Intercom's may: clients must not strip it."""
        code = secrets.token_urlsafe(24) + "="
        self._codes[code] = _Code(
            account, user, redirect_uri, challenge, challenge_method, now + self.code_lifetime_s
        )
        return code

    def redeem(
        self, code: str, now: float, *, redirect_uri: str | None, verifier: str | None
    ) -> Grant:
        """The grant behind a code; the code is gone afterwards, whatever the result.

        Raises:
            OAuthRefusedError: unknown or used, expired, another redirect_uri, a wrong verifier.

        """
        known = self._codes.pop(code, None)
        if known is None:
            raise OAuthRefusedError(CODE_UNKNOWN)
        if now > known.expires_at:
            raise OAuthRefusedError(CODE_EXPIRED)
        if known.redirect_uri is not None and known.redirect_uri != redirect_uri:
            raise OAuthRefusedError(REDIRECT_DIFFERS)
        if known.challenge is not None and known.challenge != _challenge(
            verifier or "", known.challenge_method
        ):
            raise OAuthRefusedError(VERIFIER_WRONG)
        return self.grant(known.account, known.user)

    def grant(self, account: str, user: str) -> Grant:
        grant = Grant(account, user, secrets.token_urlsafe(32))
        self._refresh[grant.refresh_token] = grant
        return grant

    def issue(
        self, grant: Grant, now: float, lifetime_s: float | None, audience: str | None = None
    ) -> AccessToken:
        expires_at = None if lifetime_s is None else now + lifetime_s
        token = AccessToken(secrets.token_urlsafe(96), grant, expires_at, audience)
        self._tokens[token.value] = token
        return token

    def refresh(self, refresh_token: str, *, rotate: bool, always_new: bool = False) -> Grant:
        """The living grant of a refresh token, with a new refresh token when `rotate`.

        Args:
            refresh_token: one that was handed out.
            rotate: the one that was used is of no use any more.
            always_new: there is a new one each time; without `rotate` both live.

        Raises:
            OAuthRefusedError: unknown, revoked or already exchanged.

        """
        grant = self._refresh.get(refresh_token)
        if grant is None or not grant.alive:
            raise OAuthRefusedError(REFRESH_UNKNOWN)
        if rotate:
            del self._refresh[refresh_token]
        if rotate or always_new:
            grant.refresh_token = secrets.token_urlsafe(32)
            self._refresh[grant.refresh_token] = grant
        return grant

    def find(self, access_token: str) -> AccessToken | None:
        """The token, also when it is expired or revoked."""
        return self._tokens.get(access_token)

    def is_good(self, token: AccessToken | None, now: float) -> bool:
        return (
            token is not None
            and token.grant.alive
            and (token.expires_at is None or now < token.expires_at)
        )

    def account_of_refresh(self, refresh_token: str) -> str | None:
        grant = self._refresh.get(refresh_token)
        return grant.account if grant else None

    def forget_refresh(self, refresh_token: str) -> Grant | None:
        """Take the refresh token away; access tokens already issued live on."""
        return self._refresh.pop(refresh_token, None)

    def revoke(self, account: str) -> int:
        """End every grant of the account. Returns how many were alive."""
        grants = {id(t.grant): t.grant for t in self._tokens.values()}
        grants.update({id(g): g for g in self._refresh.values()})
        count = 0
        for grant in grants.values():
            if grant.account == account and grant.alive:
                grant.alive = False
                count += 1
        return count


def _challenge(verifier: str, method: str) -> str:
    if method != "S256":
        return verifier
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def with_query(url: str, **extra: str) -> str:
    """The address with parameters added to the query that it has."""
    parts = urlsplit(url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *extra.items()])
    return urlunsplit(parts._replace(query=query))
