"""What became of conversations: heard from Kafka, kept for a set time, found and tried again."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from common import topics
from common.catalog import APPS
from common.clock import SystemClock
from common.outcomes import Outcome
from simulators.crms import CRMS as SIMULATED

pytestmark = pytest.mark.integration

FIRST, SECOND = "215470000000001", "215470000000002"


LINK = re.compile(
    r'<a class="below" href="([^"]+)" rel="noreferrer" aria-label="The \w+ in [^"]+">(\w+)</a>'
)


def rows(page: str) -> list[str]:
    """The conversations in a list, in its order."""
    return re.findall(r"<code>(2154\d+)</code>", page)


async def test_an_outcome_shows_in_words_with_its_links(
    admin: Any, world: Any, reporter: Any, simulators: Any
) -> None:
    empty = await admin.get(f"/w/{world.workspace}/history")
    assert "Nothing yet" in empty.text
    await reporter.outcome(world, FIRST, "delivered", person_id="501", note_id="9")
    page = (await admin.get(f"/w/{world.workspace}/history")).text
    assert rows(page) == [FIRST]
    assert "The transcript was written as a note." in page
    link = f"{simulators.base_url}/intercom/eu/app/a/inbox/{world.workspace}/inbox/conversation"
    assert f'href="{link}/{FIRST}"' in page
    record = f"{simulators.base_url}/hubspot/contacts/{world.hubspot}/record/0-1/501"
    assert f'href="{record}/view/1?engagement=9"' in page
    assert "Try again" not in page
    overview = (await admin.get("/")).text
    assert re.search(r"Written today</dt><dd>1</dd>", overview)


async def test_a_record_of_another_account_is_not_linked(
    admin: Any, world: Any, reporter: Any
) -> None:
    await reporter.outcome(world, FIRST, "delivered", person_id="501", crm_account="before")
    assert LINK.search((await admin.get(f"/w/{world.workspace}/history")).text) is None


@pytest.mark.parametrize("app", APPS)
async def test_whatever_left_a_note_leads_to_it_in_every_app(
    new_visitor: Any, world: Any, reporter: Any, simulators: Any, database: Any, app: str
) -> None:
    crm = SIMULATED[APPS[app].crm]
    # Keap's are named so, and only from such a name its pages are known.
    account = f"ab{world.hubspot[:6]}" if app == "keap" else crm.account_id(int(world.hubspot))
    if account not in (world.hubspot, world.pipedrive):
        simulators.control.create_account(crm.name, account)
    admin = new_visitor()
    await admin.sign_in(world.workspace, world.admin, "install")
    assert (await admin.connect(world.workspace, app, account)).status_code == 303
    account = await database.fetchval(
        "SELECT account_id FROM connections WHERE workspace_id = $1", world.workspace
    )
    left_one = ("delivered", "updated", "up_to_date", "already_there", "handed_over", "superseded")
    note = {"app": app, "crm_account": account, "person_id": "501", "note_id": "9077"}
    for outcome in left_one:
        await reporter.outcome(world, FIRST, outcome, **note)
    await reporter.outcome(world, SECOND, "failed", **note | {"note_id": None})
    await reporter.outcome(
        world, SECOND, "no_person", **note | {"note_id": None, "person_id": None}
    )
    links = LINK.findall((await admin.get(f"/w/{world.workspace}/history")).text)
    assert [what for _, what in links] == ["record", *(["note"] * len(left_one))]
    assert all("501" in url for url, _ in links)
    of_a_note = {url for url, what in links if what == "note"}
    assert len(of_a_note) == 1
    assert ("9077" in of_a_note.pop()) is (app == "hubspot")  # elsewhere it stands on the person


async def test_a_repeated_report_is_one_line_and_an_unreadable_one_stops_nothing(
    admin: Any, world: Any, reporter: Any
) -> None:
    outcome_id = await reporter.outcome(world, FIRST, "delivered")
    await reporter.outcome(world, FIRST, "failed", outcome_id=outcome_id)
    key = f"{world.workspace}:{FIRST}".encode()
    await reporter.send(topics.DELIVERY_OUTCOME, key, b"{}")
    await reporter.outcome(world, FIRST, "no_person", reason="contacts_0")  # of one partition
    page = (await admin.get(f"/w/{world.workspace}/history")).text
    assert rows(page) == [FIRST, FIRST]
    assert "No person in the CRM matches the customer." in page
    assert '<code class="small">contacts_0</code>' in page
    assert "refused for good" not in page


async def test_lists_are_filtered_by_app_outcome_day_and_conversation(
    admin: Any, world: Any, reporter: Any
) -> None:
    now = SystemClock().now()
    await reporter.outcome(world, FIRST, "failed", decided_at=now - timedelta(days=3))
    await reporter.outcome(world, SECOND, "delivered", app="pipedrive")
    base = f"/w/{world.workspace}/history"

    async def found(**query: str) -> list[str]:
        answer = await admin.get(base, params=query)
        assert answer.status_code == 200
        return rows(answer.text)

    assert await found() == [SECOND, FIRST]
    assert await found(app="pipedrive") == [SECOND]
    assert await found(outcome="failed") == [FIRST]
    assert await found(outcome="failed", app="pipedrive") == []
    assert await found(conversation=FIRST) == [FIRST]
    link = (
        f"https://app.eu.intercom.com/a/inbox/{world.workspace}/inbox/conversation/{FIRST}?view=1"
    )
    assert await found(conversation=link) == [FIRST]
    day = (now - timedelta(days=1)).date().isoformat()
    assert await found(**{"from": day}) == [SECOND]
    assert await found(to=day) == [FIRST]
    failures = await admin.get(f"/w/{world.workspace}/failures")
    assert rows(failures.text) == [FIRST]
    for wrong in ({"conversation": "hello"}, {"from": "soon"}, {"outcome": "x"}, {"app": "x"}):
        answer = await admin.get(base, params=wrong)
        assert (answer.status_code, rows(answer.text)) == (400, [])
    assert (await admin.get(base, params={"after": "x"})).status_code == 400


async def test_pages_follow_one_another_without_a_gap_or_a_repeat(
    admin: Any, world: Any, reporter: Any, database: Any
) -> None:
    await database.execute(
        "INSERT INTO history (outcome_id, workspace_id, conversation_id, app, crm_account, outcome,"
        " triggers, decided_at) SELECT $1 || '-' || n, $1, (215470000001000 + n)::text, 'hubspot',"
        " 'a', 'delivered', '{quiet}', now() - (n / 3) * interval '1 minute'"
        " FROM generate_series(1, 120) n",
        world.workspace,
    )
    address, seen = f"/w/{world.workspace}/history", []
    while address:
        page = (await admin.get(address)).text
        seen.append(rows(page))
        older = re.search(r'href="([^"]+)">Older', page)
        address = older[1].replace("&amp;", "&") if older else ""
    assert [len(found) for found in seen] == [50, 50, 20]
    assert len({one for found in seen for one in found}) == 120


async def test_what_was_not_written_is_tried_again_singly_or_all_that_a_filter_finds(
    admin: Any, world: Any, reporter: Any, ledger: Any
) -> None:
    third = "215470000000003"
    for conversation in (FIRST, SECOND):
        await reporter.outcome(world, conversation, "failed", reason="http_400")
    await reporter.outcome(world, third, "failed", reason="http_400")
    await reporter.outcome(world, third, "delivered")  # tried again since: not counted
    answer = await admin.post(f"/w/{world.workspace}/again", conversation=FIRST, app="hubspot")
    assert answer.status_code == 303
    assert ledger.asked_of(world.workspace) == [FIRST]
    assert "Asked for 1 conversation." in (await admin.get(answer.headers["location"])).text
    page = (await admin.get(f"/w/{world.workspace}/failures")).text
    assert "2 conversations here can be tried again" in page
    assert "Try 2 again" in page
    answer = await admin.post(f"/w/{world.workspace}/again-all", failures="1", confirm="again")
    assert ledger.asked_of(world.workspace) == [FIRST, SECOND]
    assert "Asked for 1 conversation." in (await admin.get(answer.headers["location"])).text
    # What is being tried already is not asked for twice, and what is written not at all.
    answer = await admin.post(f"/w/{world.workspace}/again", conversation=FIRST, app="hubspot")
    assert "It is being tried already" in (await admin.get(answer.headers["location"])).text
    answer = await admin.post(f"/w/{world.workspace}/again", conversation=third, app="hubspot")
    assert "Nothing was asked" in (await admin.get(answer.headers["location"])).text
    assert ledger.asked_of(world.workspace) == [FIRST, SECOND]
    audit = (await admin.get(f"/w/{world.workspace}/audit")).text
    assert "Tried 2 conversations again" in audit
    assert f"Tried conversation {FIRST} again" in audit


async def test_every_outcome_but_those_that_are_as_they_should_be_is_counted_and_tried_again(
    admin: Any, world: Any, reporter: Any, ledger: Any
) -> None:
    base = f"/w/{world.workspace}/history"
    numbers = {name: f"2154700000010{n:02}" for n, name in enumerate(Outcome)}
    for outcome, conversation in numbers.items():
        await reporter.outcome(world, conversation, outcome)
    page = (await admin.get(base)).text
    again = set(re.findall(r"Try again: conversation (\d+)", page))
    fine = {Outcome.DELIVERED, Outcome.UP_TO_DATE}
    assert again == {numbers[outcome] for outcome in Outcome if outcome not in fine}
    assert "here can be tried again" not in page  # all of it is nobody's wish
    for outcome, counted in ((Outcome.SYNC_OFF, 1), (Outcome.UPDATED, 1), (Outcome.DELIVERED, 0)):
        page = (await admin.get(base, params={"outcome": outcome})).text
        assert ("Try 1 again" in page) is bool(counted)
    unwritten = len(Outcome) - 5
    assert f"Try {unwritten} again" in (await admin.get(base, params={"app": "hubspot"})).text
    ledger.page = 4  # many pages: all of them are asked for
    try:
        await admin.post(
            f"/w/{world.workspace}/again-all", app="hubspot", outcome="", confirm="again"
        )
    finally:
        ledger.page = 500
    assert len(ledger.asked_of(world.workspace)) == unwritten


async def test_a_superseded_request_has_the_one_that_answered_it_tried_again(
    admin: Any, world: Any, reporter: Any, ledger: Any
) -> None:
    base, third = f"/w/{world.workspace}/history", "215470000000003"
    for conversation, ended in ((FIRST, "sync_off"), (SECOND, "delivered")):
        await reporter.outcome(world, conversation, "superseded")
        await reporter.outcome(world, conversation, ended)
    await reporter.outcome(world, third, "sync_off")  # nothing of it was superseded
    page = (await admin.get(base, params={"outcome": "superseded"})).text
    assert rows(page) == [SECOND, FIRST]
    assert "Try 1 again" in page
    await admin.post(f"/w/{world.workspace}/again-all", outcome="superseded", confirm="again")
    assert ledger.asked_of(world.workspace) == [FIRST]
    answer = await admin.post(f"/w/{world.workspace}/again", conversation=SECOND, app="hubspot")
    assert "Nothing was asked" in (await admin.get(answer.headers["location"])).text
    nothing = {"outcome": "superseded", "app": "pipedrive"}
    assert "here can be tried again" not in (await admin.get(base, params=nothing)).text


async def test_where_delivery_does_not_answer_nothing_is_asked_and_the_page_says_so(
    admin: Any, world: Any, reporter: Any, ledger: Any
) -> None:
    await reporter.outcome(world, FIRST, "failed", reason="http_400")
    ledger.away = True
    try:
        page = await admin.get(f"/w/{world.workspace}/failures")
        again = await admin.post(f"/w/{world.workspace}/again", conversation=FIRST, app="hubspot")
    finally:
        ledger.away = False
    assert (page.status_code, rows(page.text)) == (200, [FIRST])
    assert "could be tried again cannot be told" in page.text
    assert (again.status_code, ledger.asked_of(world.workspace)) == (503, [])
    assert "Tried" not in (await admin.get(f"/w/{world.workspace}/audit")).text


async def test_the_last_update_received_is_told_and_never_moves_back(
    admin: Any, world: Any, reporter: Any, database: Any
) -> None:
    assert "none yet" in (await admin.get("/")).text
    key = f"{world.workspace}:{FIRST}".encode()
    await reporter.send(topics.CONVERSATION_UPDATED, key, b"whatever it holds is not looked at")
    at = await reporter.until(
        "SELECT received_at FROM workspace_updates WHERE workspace_id = $1", world.workspace
    )
    assert abs(SystemClock().now() - at) < timedelta(seconds=30)
    assert "none yet" not in (await admin.get("/")).text
    # Nothing is kept of workspaces that we were never let into.
    await reporter.send(topics.CONVERSATION_UPDATED, b"nobody:1", b"")
    await reporter.send(topics.CONVERSATION_UPDATED, None, b"")  # a tick has no conversation
    await reporter.outcome(world, FIRST, "delivered")
    assert not await database.fetchval(
        "SELECT 1 FROM workspace_updates WHERE workspace_id = 'nobody'"
    )


async def test_what_is_older_than_it_is_kept_for_is_deleted(
    launcher: Any, migrated: None, world: Any, admin: Any, reporter: Any
) -> None:
    old = SystemClock().now() - timedelta(days=8)
    await reporter.outcome(world, FIRST, "delivered", decided_at=old)
    await reporter.outcome(world, SECOND, "delivered", decided_at=old + timedelta(days=2))
    replica = await launcher.start(LULL_SETTINGS_HISTORY_DAYS="7")
    await reporter.until(
        "SELECT NOT EXISTS (SELECT FROM history WHERE workspace_id = $1 AND conversation_id = $2)",
        world.workspace,
        FIRST,
    )
    assert rows((await admin.get(f"/w/{world.workspace}/history")).text) == [SECOND]
    assert await replica.stop() == 0


async def test_the_history_goes_on_where_it_was_when_the_replica_that_read_is_gone(
    replicas: list[Any],
    admin: Any,
    world: Any,
    reporter: Any,
    database: Any,
) -> None:
    await reporter.outcome(world, FIRST, "delivered")
    killed = await database.fetch(
        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory'"
        " AND l.granted AND l.objid = (7451100830003 & x'ffffffff'::bigint)::bigint::oid"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    assert len(killed) == 1
    await reporter.outcome(world, SECOND, "delivered")
    assert rows((await admin.get(f"/w/{world.workspace}/history")).text) == [SECOND, FIRST]


async def test_ten_thousand_lines_are_shown_within_a_tenth_of_a_second(
    admin: Any, world: Any, database: Any, new_world: Callable[[], Any]
) -> None:
    await database.execute(
        "INSERT INTO history (outcome_id, workspace_id, conversation_id, app, crm_account, outcome,"
        " triggers, decided_at) SELECT $1 || '-' || n, $1, (215470000001000 + n % 3000)::text,"
        " 'hubspot', 'a', (ARRAY['delivered', 'updated', 'failed', 'sync_off'])[n % 4 + 1],"
        " '{quiet}', now() - n * interval '1 minute' FROM generate_series(1, 10000) n",
        world.workspace,
    )
    await database.execute("ANALYZE history")
    for path in (
        "/",
        f"/w/{world.workspace}/history",
        f"/w/{world.workspace}/history?app=hubspot&outcome=failed",
        f"/w/{world.workspace}/history?conversation=215470000001500",
        f"/w/{world.workspace}/failures",
        f"/w/{world.workspace}/waiting",
        f"/w/{world.workspace}/check?conversation=215470000001500",
        f"/w/{world.workspace}/audit",
        f"/w/{world.workspace}/admin",
        f"/w/{world.workspace}/apps/hubspot",
    ):
        # The best of some: whatever else the machine does meanwhile is not the page's own time.
        async with asyncio.timeout(30):
            while True:
                answer = await admin.get(path)
                assert answer.status_code == 200
                if answer.elapsed < timedelta(milliseconds=100):
                    break


async def test_what_the_admin_should_know_stands_above_every_page(
    admin: Any, world: Any, reporter: Any, database: Any
) -> None:
    pages = [f"/w/{world.workspace}/{page}" for page in ("history", "waiting", "audit", "admin")]
    pages += ["/", f"/w/{world.workspace}/apps/hubspot"]
    await admin.post(f"/w/{world.workspace}/apps/hubspot/transcript-sync", on="on")
    await database.execute(
        "INSERT INTO history (outcome_id, workspace_id, conversation_id, app, crm_account, outcome,"
        " triggers, decided_at) SELECT $1 || '-' || n, $1, (215470000001000 + n)::text, 'hubspot',"
        " 'a', 'no_active_assignee', '{quiet}', now() - n * interval '8 hours'"
        " FROM generate_series(1, 25) n",
        world.workspace,
    )
    await database.execute(
        "INSERT INTO workspace_updates VALUES ($1, now() - interval '25 hours')", world.workspace
    )
    for page in pages:
        text = (await admin.get(page)).text
        assert "The last 20 conversations were not assigned" in text
        assert "No message has arrived for a day." in text
        assert "failed at HubSpot" not in text
    await reporter.outcome(world, FIRST, "failed", reason="http_400")
    for page in pages:
        text = (await admin.get(page)).text
        assert "<b>1 conversation failed at HubSpot within a day.</b>" in text
        assert "The last 20" not in text
    await reporter.outcome(world, FIRST, "delivered")  # tried again: nothing to look after
    assert "failed at HubSpot" not in (await admin.get("/")).text
