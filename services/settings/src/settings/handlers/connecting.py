"""Connecting a workspace or a CRM account: send a person to the vendor, and complete what returns.

The state is one-time, lives 10 minutes, and is bound to the vendor and, for a CRM, to the workspace
and app it was made for: what comes back is never believed about where it belongs.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from common import log
from common.catalog import APPS, App
from common.clock import Clock

from settings.domain.authorizations import (
    INTERCOM,
    STATE_LIFETIME,
    Authorization,
    Browser,
    Purpose,
    Refusal,
    challenge,
    refusal,
)
from settings.domain.hosts import HostNotAllowed
from settings.domain.installations import Connecting
from settings.ports.connections import AuthorizationStore, ConnectionStore, CrmGrant, IntercomMe
from settings.ports.faults import (
    AccountChoice,
    GrantRefused,
    NotInstalled,
    SeveralAccounts,
    VendorUnavailable,
)
from settings.ports.installations import Change, InstallationStore
from settings.ports.vendors import CrmVendor, IntercomVendor

_log = log.get(__name__)


class AuthorizationRefused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class AccountNotChosen(AuthorizationRefused):
    """The person may enter several accounts: they choose one, and authorise once more."""

    def __init__(self, workspace_id: str, app: str, choices: Sequence[AccountChoice]) -> None:
        super().__init__(Refusal.SEVERAL_ACCOUNTS)
        self.workspace_id = workspace_id
        self.app = app
        self.choices = choices


class AppNotOffered(Exception):
    """No such app, or this deployment holds no client of that CRM."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What a vendor's redirect carries."""

    state: str
    code: str | None
    denied: bool  # the person said no, or the vendor did


@dataclass(frozen=True, slots=True)
class Identified:
    """A person whom Intercom vouches for, with a token of the workspace. Never printed."""

    me: IntercomMe
    access_token: str
    purpose: Purpose
    in_browser: bool  # the authorization was bound to the session it came back to

    def __repr__(self) -> str:
        return f"Identified(workspace={self.me.workspace_id!r})"


@dataclass(frozen=True, slots=True)
class Connected:
    workspace_id: str
    app: str
    account_id: str
    did: Connecting
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Connections:
    store: ConnectionStore
    installations: InstallationStore
    authorizations: AuthorizationStore
    intercom: IntercomVendor
    crms: Mapping[str, CrmVendor]
    regions: frozenset[str]
    public_url: str
    clock: Clock

    def offered(self) -> list[App]:
        """The apps of the catalog whose CRM this deployment holds a client of."""
        return [app for app in APPS.values() if app.crm in self.crms]

    async def authorize_workspace(
        self, purpose: Purpose = Purpose.INSTALL, browser: Browser | None = None
    ) -> str:
        """Where the person who installs or signs in goes."""
        state = await self._new_state(INTERCOM, purpose=purpose, browser=browser)
        return self.intercom.authorize_url(state, self._redirect_uri(INTERCOM))

    async def authorize_app(
        self,
        workspace_id: str,
        app: str,
        browser: Browser | None = None,
        account: str | None = None,
    ) -> str:
        """Where the admin goes; raises UnknownWorkspace, AppNotOffered.

        `account` is the key of one of the choices that an earlier round offered.
        """
        vendor = self._crm(app)
        await self.installations.workspace(workspace_id)
        verifier = secrets.token_urlsafe(48) if APPS[app].pkce else None
        crm = APPS[app].crm
        state = await self._new_state(
            crm, workspace_id, app, verifier, browser=browser, account=account
        )
        return vendor.authorize_url(
            state, self._redirect_uri(crm), None if verifier is None else challenge(verifier)
        )

    async def identify(self, callback: Callback, session_key: str | None = None) -> Identified:
        """Who came back from Intercom, and for what; nothing is kept yet."""
        authorization = await self._take(INTERCOM, callback, session_key)
        try:
            token = await self.intercom.exchange(_code(callback))
            me = await self.intercom.me(token)
        except GrantRefused:
            raise AuthorizationRefused(Refusal.CODE_REFUSED) from None
        if me.region not in self.regions:
            _log.error("workspace.unknown_region", workspace=me.workspace_id, region=me.region)
            raise AuthorizationRefused(Refusal.UNKNOWN_REGION)
        return Identified(me, token, authorization.purpose, authorization.browser is not None)

    async def keep_workspace(self, found: Identified) -> IntercomMe:
        """Create the workspace or renew its token; names the admin, who first installed."""
        me = found.me
        admin_id = await self.store.save_workspace(
            me, found.access_token, Change(f"teammate:{me.admin_id}", self.clock.now())
        )
        _log.info("workspace.connected", workspace=me.workspace_id, region=me.region)
        return IntercomMe(me.workspace_id, me.region, me.name, me.time_zone, admin_id)

    async def complete_app(
        self, crm: str, callback: Callback, session_key: str | None = None
    ) -> Connected:
        authorization = await self._take(crm, callback, session_key)
        workspace_id, app = authorization.workspace_id, authorization.app
        assert workspace_id is not None  # noqa: S101 - a CRM's state always names both
        assert app is not None  # noqa: S101
        workspace = await self.installations.workspace(workspace_id)
        browser = authorization.browser
        if browser is not None and browser.teammate_id != workspace.admin_id:
            # The role was handed on while this person was at the vendor's.
            raise AuthorizationRefused(Refusal.NOT_THE_ADMIN)
        try:
            grant = await self._crm(app).exchange(
                _code(callback),
                self._redirect_uri(crm),
                authorization.verifier,
                authorization.account,
            )
        except GrantRefused:
            raise AuthorizationRefused(Refusal.CODE_REFUSED) from None
        except HostNotAllowed:
            _log.error("vendor.host_not_allowed", vendor=crm, workspace=workspace_id)
            raise AuthorizationRefused(Refusal.HOST_NOT_ALLOWED) from None
        except SeveralAccounts as several:
            _log.info("authorization.several_accounts", vendor=crm, workspace=workspace_id)
            raise AccountNotChosen(workspace_id, app, several.choices) from None
        grant = replace(grant, warning=await self._activity_warning(workspace_id, app, grant))
        did = await self.store.connect(
            workspace_id,
            app,
            grant,
            Change(f"teammate:{workspace.admin_id}", self.clock.now()),
        )
        _log.info("app.connected", workspace=workspace_id, app=app, did=did)
        return Connected(workspace_id, app, grant.account_id, did, grant.warning)

    async def _activity_warning(self, workspace_id: str, app: str, grant: CrmGrant) -> str | None:
        try:
            wanted = (await self.installations.app(workspace_id, app)).activity_type
        except NotInstalled:
            wanted = None
        token = grant.tokens.access_token
        try:
            return await self._crm(app).activity_warning(grant.api_base, token, wanted)
        except (VendorUnavailable, GrantRefused) as error:
            # Connected all the same: an activity of a wrong type ends as a failure that says so.
            _log.warning("activity_types.unread", vendor=app, why=type(error).__name__)
            return None

    def _crm(self, app: str) -> CrmVendor:
        known = APPS.get(app)
        vendor = None if known is None else self.crms.get(known.crm)
        if vendor is None:
            raise AppNotOffered
        return vendor

    async def _new_state(
        self,
        vendor: str,
        workspace_id: str | None = None,
        app: str | None = None,
        verifier: str | None = None,
        *,
        purpose: Purpose = Purpose.INSTALL,
        browser: Browser | None = None,
        account: str | None = None,
    ) -> str:
        state = secrets.token_urlsafe(32)
        expires_at = self.clock.now() + STATE_LIFETIME
        await self.authorizations.keep(
            state,
            Authorization(
                vendor, workspace_id, app, expires_at, verifier, purpose, browser, account
            ),
        )
        return state

    async def _take(
        self, vendor: str, callback: Callback, session_key: str | None
    ) -> Authorization:
        """Taken before anything else is looked at: whatever follows, it is used up."""
        authorization = await self.authorizations.take(callback.state)
        refused = refusal(authorization, vendor, session_key, self.clock.now())
        if refused is None and callback.denied:
            refused = Refusal.DENIED
        if refused is None and not callback.code:
            refused = Refusal.CODE_MISSING
        if refused is not None or authorization is None:
            refused = refused or Refusal.STATE_UNKNOWN
            _log.warning("authorization.refused", vendor=vendor, reason=refused)
            raise AuthorizationRefused(refused)
        return authorization

    def _redirect_uri(self, vendor: str) -> str:
        return f"{self.public_url}/oauth/callback/{vendor}"


def _code(callback: Callback) -> str:
    return callback.code or ""
