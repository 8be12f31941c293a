"""What people and admins do meanwhile: edits, deletions, merges, the toggle, reconnects, stops."""

import asyncio
from typing import TYPE_CHECKING, Any

from delivery.simulation.peers import ADMIN, OTHER_ADMIN, Connection, Talk
from delivery.simulation.replica import Replica
from delivery.simulation.store import THEM, US, Account, SimNote, SimPerson

if TYPE_CHECKING:
    from delivery.simulation.world import World


class Meddling:
    """Each is done at once; settings' changes are announced to all replicas a little later."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._scene = world.scene
        self._dice = world.dice
        self._loop = asyncio.get_running_loop()
        self._announcing: list[Any] = []
        self._kinds = {
            "edited around": self._edit,
            "taken over": self._take_over,
            "note deleted": self._delete_note,
            "note copied": self._copy,
            "removed from an older note": self._remove_from_older,
            "person merged": self._merge,
            "person deleted": self._delete_person,
            "person added": self._add_person,
            "toggled": self._toggle,
            "reassigned": self._reassign,
            "uninstalled": self._uninstall,
            "policy changed": self._policy,
            "token expired": self._expire,
            "revoked": self._revoke,
            "intercom token expired": self._expire_intercom,
            "intercom revoked": self._revoke_intercom,
            "other account": self._other_account,
            "stopped": self._stop,
        }
        # As whom we wrote is among what a restore forgets: one or the other.
        self._users: tuple[str, ...] = US[:1]
        if self._dice.random() < 0.5:
            self._users = US
        else:
            self._kinds["restored"] = self._restore

    async def once(self) -> str:
        kind = self._dice.choice(list(self._kinds))
        self._world.note_matches()
        done = self._kinds[kind]()
        if done is not None:
            await done
        self._world.note_matches()
        return kind

    # --- in the CRM

    def _account(self) -> Account:
        return self._scene.accounts[self._scene.truth.account]

    def _note(self) -> SimNote | None:
        ours = [n for n in self._account().notes.values() if n.author in US and not n.gone]
        return self._dice.choice(ours) if ours else None

    def _meddled(self, account: Account, talk: str) -> None:
        self._scene.judge.meddled[account.id, talk] = self._loop.time()

    def _edit(self) -> None:
        note = self._note()
        if note is not None and not note.taken:
            # Our updates carry on what they saw; what people write is added at the end.
            note.people = f"<p>by people {self._loop.time():.0f}</p>"
            note.body += note.people

    def _take_over(self) -> None:
        if (note := self._note()) is not None:
            self._take(note)

    def _take(self, note: SimNote) -> None:
        if note.marker is not None:
            head, _, rest = note.body.partition(str(note.marker))
            note.body, note.taken = head + rest, True
            self._meddled(self._account(), note.marker.conversation_id)

    def _delete_note(self) -> None:
        if (note := self._note()) is not None:
            self._delete(note)

    def _delete(self, note: SimNote) -> None:
        if note.marker is not None:
            note.gone = "people"
            self._meddled(self._account(), note.marker.conversation_id)

    async def _remove_from_older(self) -> None:
        """The latest note becomes people's, and what an older one shows is removed in Intercom."""
        talk = self._dice.choice(list(self._scene.talks.values()))
        for _ in range(30):  # until there are two
            ours = self._ours(talk)
            shown = [
                place
                for place, message in enumerate(talk.messages)
                if message.text and any(message.text in note.body for note in ours[:-1])
            ]
            if shown:
                self._dice.choice([self._take, self._delete])(ours[-1])
                self._world.talking.remove(talk, self._dice.choice(shown))
                return
            await asyncio.sleep(60)

    def _ours(self, talk: Talk) -> list[SimNote]:
        """Its notes, oldest first."""
        return [
            note
            for note in self._account().notes.values()
            if note.kind == "note"
            and note.author in US
            and not (note.gone or note.taken)
            and note.marker is not None
            and note.marker.conversation_id == talk.id
        ]

    def _copy(self) -> None:
        """A colleague pastes our note into one of theirs."""
        note, account = self._note(), self._account()
        if note is not None:
            now = self._loop.time()
            copy = SimNote(
                f"n{len(account.notes) + 1}", note.kind, note.person, note.body, THEM, now, now
            )
            account.notes[copy.id] = copy

    def _person(self) -> SimPerson | None:
        alive = [person for person in self._account().persons.values() if person.alive]
        return self._dice.choice(alive) if alive else None

    def _merge(self) -> None:
        """Into a twin that search finds at once."""
        person = self._person()
        if person is not None:
            twin = self._account().add_person(person.email, self._loop.time())
            self._account().merge(person, twin)

    def _delete_person(self) -> None:
        person = self._person()
        if person is not None:
            self._account().delete_person(person)
            for talk in self._scene.talks.values():
                if talk.email == person.email:
                    self._meddled(self._account(), talk.id)

    def _add_person(self) -> None:
        email = self._dice.choice(list(self._scene.talks.values())).email
        self._account().add_person(email, self._loop.time() + 30 * self._dice.random())

    # --- in Intercom and settings

    def _reassign(self) -> None:
        talk = self._dice.choice(list(self._scene.talks.values()))
        talk.assignee = self._dice.choice([ADMIN, ADMIN, OTHER_ADMIN, None])
        self._scene.judge.assigned[talk.id].set(self._loop.time(), talk.assignee == ADMIN)

    def _connection(self) -> Connection:
        return self._dice.choice(list(self._scene.truth.connections.values()))

    def _change(self, connection: Connection, **changes: Any) -> None:
        if connection.installation is not None:
            connection.installation = connection.installation.model_copy(update=changes)
        self._announce(connection.app)

    def _announce(self, *apps: str) -> None:
        for replica in self._world.replicas:
            delay = self._dice.choice([0.1, 1.0, 30.0])
            for app in apps:
                self._announcing.append(self._loop.call_later(delay, self._tell, replica, app))

    def _tell(self, replica: Replica, app: str) -> None:
        if not replica.dead:
            replica.spawn(replica.changed(app))

    async def _toggle(self) -> None:
        connection = self._connection()
        now = self._scene.judge.toggle[connection.app]
        for on in (False, True):
            now.set(self._loop.time(), on)
            self._change(connection, transcript_sync=on)
            if self._dice.random() < 0.2:
                break
            await asyncio.sleep(self._dice.choice([0.3, 2.0, 100.0, 1000.0]))

    def _policy(self) -> None:
        self._change(self._connection(), note_policy=self._dice.choice(["update", "new"]))

    async def _uninstall(self) -> None:
        connection = self._connection()
        installed = self._scene.judge.installed[connection.app]
        held = connection.installation
        if self._dice.random() < 0.5 or held is None:
            return
        connection.installation = None
        installed.set(self._loop.time(), value=False)
        self._announce(connection.app)
        await asyncio.sleep(self._dice.choice([1.0, 100.0, 1000.0]))
        connection.installation = held
        installed.set(self._loop.time(), value=True)
        self._announce(connection.app)

    def _expire(self) -> None:
        self._scene.tokens.refused.add(self._connection().token)

    async def _revoke(self) -> None:
        connection = self._connection()
        self._scene.tokens.refused.add(connection.token)
        connection.revoked = True
        await asyncio.sleep(self._dice.choice([5.0, 100.0, 1500.0]))
        await self.connect()

    def _expire_intercom(self) -> None:
        self._scene.truth.intercom_expired = True

    async def _revoke_intercom(self) -> None:
        self._scene.truth.intercom_revoked = True
        await asyncio.sleep(self._dice.choice([5.0, 100.0, 1500.0]))
        await self.connect()

    async def connect(self) -> None:
        """The admins connect again whatever needs it."""
        truth, tokens = self._scene.truth, self._scene.tokens
        for connection in truth.connections.values():
            if connection.revoked or connection.token in tokens.refused:
                connection.revoked = False
                connection.generation += 1
                connection.user = self._dice.choice(self._users)
                self._announce(connection.app)
        if truth.intercom_revoked or truth.intercom_expired:
            truth.intercom_revoked = truth.intercom_expired = False
            truth.intercom += 1
            self._announce(*truth.connections)

    def _other_account(self) -> None:
        connection = self._connection()
        connection.account = "b" if connection.account == "a" else "a"
        self._change(connection, crm_account=connection.account)

    def _stop(self) -> None:
        replica = self._dice.choice(self._world.replicas)
        replica.spawn(replica.stop())

    async def _restore(self) -> None:
        """A backup of the ledger is taken, and minutes or an hour later all there is."""
        backup = self._scene.database.backup()
        await asyncio.sleep(self._dice.choice([5.0, 60.0, 900.0, 3600.0]))
        await self._world.restore(backup)
        # An app that is uninstalled just now would have what comes again passed over.
        await asyncio.sleep(120)
