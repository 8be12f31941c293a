"""Who among a row's requests may have the conversation written, and who has to wait."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from common.catalog import apps_of
from common.eligibility import Installation, refused_by_conversation, refused_by_settings
from common.outcomes import Outcome

from delivery.domain.answer import Result, Verdict, Wait, spread
from delivery.domain.backoff import next_try
from delivery.domain.conversation import Conversation
from delivery.domain.row import Row, Waiting
from delivery.ports import Paused, RetryLater, SettingsAway
from delivery.working import AccountChanged, Limits, Needs, NobodyLeft, Working

SETTINGS_LOOK_AFTER = timedelta(seconds=5)
PAUSE = timedelta(seconds=1)


async def begin(needs: Needs, working: Working) -> None:
    """Judge by what settings knows: whoever is left needs the conversation to be read."""
    key, asking = working.row.key, {request.app for request in working.left}
    for app in sorted(asking | {app.key for app in apps_of(key.crm)}):
        installation = await needs.settings.installation(key.workspace_id, app)
        if app in asking and _refuses(working, app, installation):
            # That look may be a minute old, and a refusal is for good.
            installation = await needs.settings.installation(key.workspace_id, app, fresh=True)
        if app in asking:
            _judge_by_settings(working, app, installation)
        elif installation is not None and installation.crm_account == key.crm_account:
            working.installations[app] = installation


async def look_again(needs: Needs, working: Working) -> float:
    """Ask settings itself, right before a write; answers when it said so (monotonic).

    Raises:
        NobodyLeft: nobody is left by now, and nothing must be written.

    """
    looked_at = None
    for app in sorted({request.app for request in working.left}):
        installation = await needs.settings.installation(
            working.row.key.workspace_id, app, fresh=True
        )
        looked_at = looked_at or needs.limits.monotonic()
        _judge_by_settings(working, app, installation)
    if looked_at is None or not working.left:
        raise NobodyLeft
    return looked_at


def _refuses(working: Working, app: str, installation: Installation | None) -> bool:
    asked = (request for request in working.left if request.app == app)
    return any(refused_by_settings(request.trigger, installation) for request in asked)


def _judge_by_settings(working: Working, app: str, installation: Installation | None) -> None:
    for request in [request for request in working.left if request.app == app]:
        refused = refused_by_settings(request.trigger, installation)
        if refused is not None:
            working.refuse(request, refused)
    if installation is None:
        return
    if installation.crm_account != working.row.key.crm_account:
        raise AccountChanged(app, installation.crm_account)
    working.installations[app] = installation


async def look_before_refusing(needs: Needs, working: Working, conversation: Conversation) -> None:
    """Whoever would be refused for what is held of settings is judged by what it says now."""
    facts, refusing = conversation.facts(), set[str]()
    for request in working.left:
        installation = working.installations[request.app]
        refused = refused_by_conversation(request.trigger, installation, facts, request.actor_id)
        if refused not in (None, Outcome.NOBODY_SPOKE):  # which is no matter of settings
            refusing.add(request.app)
    for app in sorted(refusing):
        now = await needs.settings.installation(working.row.key.workspace_id, app, fresh=True)
        _judge_by_settings(working, app, now)


def judge_by_conversation(
    working: Working, conversation: Conversation, quiet_period: timedelta
) -> None:
    """The rest of the trigger table, on the fresh conversation (R7 to R9), and whether it is quiet.

    Intercom's own clock says how old its newest reply is; ours may be off.
    """
    facts = conversation.facts()
    for request in list(working.left):
        installation = working.installations[request.app]
        refused = refused_by_conversation(request.trigger, installation, facts, request.actor_id)
        if refused is not None:
            working.refuse(request, refused)
        elif request.waits_for_quiet and facts.last_updated_at is not None:
            quiet_at = facts.last_updated_at + quiet_period
            if conversation.read_at < quiet_at:
                working.left.remove(request)
                # Counted from now on: only Intercom's clock is compared with Intercom's times.
                working.quiet_at = working.now() + (quiet_at - conversation.read_at)


def set_aside_unshown(
    working: Working, conversation: Conversation, look_again_after: Sequence[timedelta]
) -> None:
    """Requests whose announced reply is not in the text yet wait, while it is worth looking again.

    An action or a manual request wants what there is, and goes on without them.
    """
    look = working.row.looks
    if look >= len(look_again_after):
        return
    newest = conversation.newest_update
    for request in list(working.left):
        if request.update is not None and (newest is None or newest < request.update):
            working.left.remove(request)
            until = working.now() + look_again_after[look]
            working.unshown = Wait(Waiting.REPLY, until, "reply_not_shown")


def result_of(working: Working, verdict: Verdict | None = None, wait: Wait | None = None) -> Result:
    verdicts = dict(working.verdicts)
    if verdict is not None:
        verdicts |= spread(working.left, verdict)
    if wait is None:
        wait = working.unshown
    if wait is None and working.quiet_at is not None:
        wait = Wait(Waiting.QUIET, working.quiet_at)
    return Result(working.known, verdicts, wait, working.healed_at)


def wait_after(error: RetryLater, row: Row, limits: Limits, now: datetime) -> Wait | None:
    """How long to wait after this failure; None: the schedule is used up."""
    if isinstance(error, SettingsAway):
        until = now + SETTINGS_LOOK_AFTER * (0.5 + limits.random())
        return Wait(Waiting.SETTINGS, until, error.reason)
    if isinstance(error, Paused):
        # A bit apart, so that rows that were held back together do not come back together.
        until = now + (error.retry_after or PAUSE) + PAUSE * limits.random()
        return Wait(
            Waiting.PAUSED,
            until,
            error.reason,
            holds_connection=True,
            holds_vendor=error.whole_vendor,
        )
    at = next_try(
        limits.schedule,
        failures=row.attempts,
        failing_since=row.failing_since,
        retry_after=error.retry_after,
        now=now,
        random=limits.random,
    )
    if at is None:
        return None
    return Wait(Waiting.RETRY, at, error.reason, holds_connection=error.retry_after is not None)
