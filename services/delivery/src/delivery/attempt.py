"""One attempt at one claimed row: look at everything afresh, then write, wait, or say why not.

Nothing is held in a transaction while others are called; what is learnt is saved under the lease.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

from common import log
from common.catalog import APPS
from common.outcomes import Outcome
from prometheus_client import Counter

from delivery.domain.answer import Result, Verdict, Wait
from delivery.domain.conversation import Conversation
from delivery.domain.heal import unsure_of_text
from delivery.domain.ready import is_due
from delivery.domain.row import Row, Waiting
from delivery.healing import heal
from delivery.judging import (
    begin,
    judge_by_conversation,
    look_before_refusing,
    result_of,
    set_aside_unshown,
    wait_after,
)
from delivery.persons import Persons
from delivery.ports import (
    Claim,
    GiveUp,
    Gone,
    IntercomAccess,
    LeaseLost,
    LedgerAway,
    Paused,
    ReconnectNeeded,
    RetryLater,
    SettingsAway,
    TokenRejected,
)
from delivery.undoing import undo
from delivery.working import AccountChanged, Ended, Needs, NobodyLeft, Postponed, Working
from delivery.writing import Writing

_log = log.get(__name__)

# A reconnect is announced by `settings.changed`; this is only for an announcement that got lost.
RECONNECT_LOOK_AFTER = timedelta(minutes=10)
FINISH_PAUSE_S = 0.5

_attempts = Counter("lull_delivery_attempts_total", "Attempts by how they ended", ["crm", "end"])


@dataclass(frozen=True, slots=True)
class Attempts:
    needs: Needs

    async def run(self, claim: Claim) -> Result | None:
        """Attempt, and leave the row answered or waiting; None where the row was lost.

        Raises:
            LedgerAway: the result could not be saved; the lease ends by itself, and what may have
                been created is found by the next attempt's probe.

        """
        working = Working(claim, self.needs.limits.monotonic, claim.row.known, [])
        result: Result | None = None
        try:
            left = claim.good_until - self.needs.limits.monotonic()
            async with asyncio.timeout(left):
                result = await self._result(working)
                await self._finish(working, result)
        except AccountChanged as changed:
            result = await self._moved(working, changed)
        except TimeoutError:
            _log.warning("delivery.lease_ran_out", **_ids(claim.row))
            result = None
        except LeaseLost:
            _log.warning("delivery.lease_lost", **_ids(claim.row))
            result = None
        if result is None:
            await undo(self.needs, working)
        _attempts.labels(claim.row.key.crm, _end(result)).inc()
        return result

    async def _moved(self, working: Working, changed: AccountChanged) -> Result | None:
        """The app leads to another account now, whose own row takes its requests over.

        Those of other apps stay, and are attempted again at once.
        """
        to = replace(working.row.key, crm_account=changed.crm_account)
        result = result_of(working)
        try:
            await self.needs.ledger.move(working.claim, to, changed.app, result)
        except LeaseLost:
            return None
        _log.info("delivery.moved_to_other_account", **_ids(working.row))
        return result

    async def _finish(self, working: Working, result: Result) -> None:
        while True:
            try:
                await self.needs.ledger.finish(working.claim, result)
                break
            except LedgerAway as error:
                # A restart or fail-over is often over before the lease is.
                _log.warning("delivery.result_held", **_ids(working.row), why=str(error))
                await asyncio.sleep(FINISH_PAUSE_S)
        for number, verdict in result.verdicts.items():
            _log.info(
                "delivery.answered",
                **_ids(working.row),
                request=number,
                outcome=verdict.outcome,
                reason=verdict.reason,
            )
        if result.wait is not None:
            _log.info(
                "delivery.waiting",
                **_ids(working.row),
                waiting=result.wait.waiting,
                until=result.wait.until.isoformat(),
                reason=result.wait.reason,
            )

    async def _result(self, working: Working) -> Result:
        """What to leave behind, whatever happens on the way."""
        now, row = working.now(), working.row
        if row.abandoned:
            heal_at = now + self.needs.limits.heal_after
            working.known = unsure_of_text(working.known, heal_at)
        try:
            if row.known.heal_at is not None and row.known.heal_at <= now:
                # First: after a new period's note nobody would look for the older one's.
                await heal(self.needs, working)
                if not is_due(row, now):
                    return result_of(working)
            return await self._write(working)
        except NobodyLeft:
            return result_of(working)
        except Ended as end:
            return result_of(working, end.verdict)
        except Postponed as postponed:
            return result_of(working, wait=postponed.wait)
        except ReconnectNeeded as error:
            until = working.now() + RECONNECT_LOOK_AFTER
            return result_of(working, wait=Wait(Waiting.RECONNECT, until, error.reason))
        except GiveUp as error:
            return result_of(working, Verdict(Outcome.FAILED, error.reason))
        except RetryLater as error:
            return self._retried(working, error)
        except (LeaseLost, LedgerAway, AccountChanged):
            raise
        except Exception as error:  # noqa: BLE001 - one row's surprise must not stop the others
            _log.error("delivery.surprised", **_ids(row), exc_info=error)
            return self._retried(working, RetryLater("internal_error"))

    def _retried(self, working: Working, error: RetryLater) -> Result:
        wait = wait_after(error, working.row, self.needs.limits, working.now())
        if wait is None:
            return result_of(working, Verdict(Outcome.FAILED, f"retried_in_vain.{error.reason}"))
        return result_of(working, wait=wait)

    async def _write(self, working: Working) -> Result:
        working.left = [r for r in working.row.requests if r.number <= working.row.taken]
        await begin(self.needs, working)
        if not working.left:
            raise NobodyLeft
        if working.only_removal and not working.known.may_stand:
            raise Ended(Outcome.UP_TO_DATE)
        intercom, conversation = await self._conversation(working)
        set_aside_unshown(working, conversation, self.needs.limits.look_again_after)
        await look_before_refusing(self.needs, working, conversation)
        judge_by_conversation(working, conversation, self.needs.limits.quiet_period)
        if not working.left:
            raise NobodyLeft
        verdict = await self._into_crm(working, intercom, conversation)
        return result_of(working, verdict)

    async def _conversation(self, working: Working) -> tuple[IntercomAccess, Conversation]:
        settings, key = self.needs.settings, working.row.key
        deadline = self.needs.limits.call_deadline
        rejected: str | None = None
        while True:
            try:
                access = await settings.intercom_access(key.workspace_id, rejected=rejected)
            except Gone:
                raise Ended(Outcome.UNINSTALLED) from None
            try:
                conversation = await self.needs.intercom.conversation(
                    access, key.conversation_id, deadline
                )
            except Gone:
                raise Ended(Outcome.CONVERSATION_GONE) from None
            except RetryLater as error:
                if not isinstance(error, Paused):
                    self.needs.heard("intercom", error.reason)
                raise
            except TokenRejected:
                if rejected is not None:
                    raise ReconnectNeeded("intercom_token_rejected") from None
                rejected = access.access_token
            else:
                self.needs.heard("intercom", None)
                return access, conversation

    async def _into_crm(
        self, working: Working, intercom: IntercomAccess, conversation: Conversation
    ) -> Verdict:
        """Through the newest request's app, else through another app's connection that works."""
        refused: ReconnectNeeded | None = None
        for app in working.apps:
            working.app = app
            try:
                verdict = await self._through(app, working, intercom, conversation)
            except ReconnectNeeded as error:
                refused = refused or error
                continue
            if verdict is not None:
                return verdict
        raise refused or NobodyLeft

    async def _through(
        self, app: str, working: Working, intercom: IntercomAccess, conversation: Conversation
    ) -> Verdict | None:
        """None: this app is no longer installed, which says nothing of the others."""
        settings, key = self.needs.settings, working.row.key
        link = self.needs.link(intercom, conversation.id)
        rejected: str | None = None
        while True:
            try:
                access = await settings.crm_access(key.workspace_id, app, rejected=rejected)
            except Gone:
                working.refuse_all(app, Outcome.UNINSTALLED)
                return None
            if access.account_id != key.crm_account:
                raise AccountChanged(app, access.account_id)
            persons = Persons(self.needs, working, access, intercom, conversation)
            writing = Writing(self.needs, working, access, conversation, link, persons)
            try:
                verdict = await writing.write(activity=APPS[app].activity)
            except TokenRejected:
                if rejected is not None:
                    raise ReconnectNeeded("crm_token_rejected") from None
                rejected = access.access_token
            except RetryLater as error:
                if not isinstance(error, SettingsAway | Paused):
                    self.needs.heard(key.crm, error.reason)
                raise
            else:
                self.needs.heard(key.crm, None)
                return verdict


def _ids(row: Row) -> dict[str, object]:
    key = row.key
    return {
        "workspace": key.workspace_id,
        "conversation": key.conversation_id,
        "crm": key.crm,
        "attempt": row.attempts + 1,
    }


def _end(result: Result | None) -> str:
    if result is None:
        return "lease_lost"
    return result.wait.waiting if result.wait else "answered"
