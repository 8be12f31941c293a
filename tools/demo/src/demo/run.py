"""One demo: the world built, the apps installed, the conversations played, the end judged."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from demo import canary
from demo.again import SendsAgain
from demo.install import Installer, build_world
from demo.judge import Line, Seen, lines
from demo.look import crm_records
from demo.outcomes import OutcomeReader
from demo.play import Play
from demo.scenario import Scenario
from demo.system import System

# Steps of one conversation follow one another within the quiet period, as in a live chat.
ROUND_PAUSE_S = 0.8
# After everything is as it must be, wait once more this long: a double would show up then.
SETTLED_FOR_QUIET_PERIODS = 1.2


@dataclass(frozen=True, slots=True)
class Report:
    lines: list[Line]
    other_faults: list[str]
    seconds: float
    messages: int

    @property
    def right(self) -> bool:
        return not self.other_faults and not any(line.faults for line in self.lines)


@dataclass(slots=True)
class Demo:
    system: System
    scenario: Scenario
    say: Callable[[str], None]
    webhook_retry_s: float = 1.0

    def run(
        self,
        *,
        after_round: Callable[[int], object] = lambda _: None,
        while_waiting: Callable[[], bool] = lambda: False,
        by_outcomes: bool = True,
        deadline_s: float = 60.0,
    ) -> Report:
        """Play the scenario and judge it.

        Args:
            after_round: called when a round of steps was played (faults are caused here).
            while_waiting: called now and then until the end; true: there is more to come.
            by_outcomes: False judges by the simulators' stores alone.
            deadline_s: for all notes to be there, from the last step or fault on.

        """
        started = time.monotonic()
        with self._clients() as (simulators, ingest), self._outcomes() as outcomes:
            play = Play(self.scenario, simulators, ingest, outcomes.of)
            self._install(simulators, play)
            # Intercom tells whole seconds: the second of the install still counts as before it.
            time.sleep(1)
            self.say("Playing the conversations")
            for number in range(self.scenario.rounds):
                play.round(number)
                after_round(number)
                time.sleep(ROUND_PAUSE_S)
            play.late_steps()
            self.say(
                f"{play.messages} messages and {play.actions} actions played; now it is quiet: "
                f"notes appear after {self.system.quiet_period_s:g} s"
            )
            judged = self._wait(play, outcomes, simulators, while_waiting, by_outcomes, deadline_s)
            return Report(
                judged, self._other_faults(simulators), time.monotonic() - started, play.messages
            )

    def install(self) -> None:
        """The scenario's world with our apps in it, and nothing said yet."""
        with self._clients() as (simulators, _):
            self._install(simulators, None)

    def _install(self, simulators: httpx.Client, play: Play | None) -> None:
        simulators.patch("knobs", json={"webhook_retry_s": self.webhook_retry_s}).raise_for_status()
        build_world(self.scenario, simulators, self.system.ingest)
        installer = Installer(self.system)
        try:
            for workspace in self.scenario.installed_in_order():
                self.say(f"Installing our apps in {workspace.name}")
                installer.connect_intercom(workspace)
                if play is not None:
                    play.before_install(workspace.id)
                installer.install_apps(workspace)
        finally:
            installer.close()

    def _wait(
        self,
        play: Play,
        outcomes: OutcomeReader,
        simulators: httpx.Client,
        while_waiting: Callable[[], bool],
        by_outcomes: bool,
        deadline_s: float,
    ) -> list[Line]:
        until = time.monotonic() + deadline_s
        right_since: float | None = None
        while True:
            more_to_come = while_waiting()
            self.system.look_after()
            judged = self._judge(play, outcomes, simulators, by_outcomes)
            now = time.monotonic()
            wrong = sum(bool(line.faults) for line in judged)
            right_since = None if wrong or more_to_come else right_since or now
            if more_to_come:
                until = now + deadline_s
            pause = self.system.quiet_period_s * SETTLED_FOR_QUIET_PERIODS
            if now > until or (right_since is not None and now - right_since > pause):
                return judged
            self.say(
                f"{len(judged) - wrong} of {len(judged)} as they must be"
                + ("" if wrong else "; waiting once more, for doubles")
            )
            time.sleep(0.3)

    def _judge(
        self, play: Play, outcomes: OutcomeReader, simulators: httpx.Client, by_outcomes: bool
    ) -> list[Line]:
        names = {conversation_id: name for name, conversation_id in play.ids.items()}
        reported = {
            (names[conversation_id], app): found
            for (conversation_id, app), found in outcomes.by_conversation().items()
        }
        seen = Seen(reported, crm_records(self.scenario, simulators))
        return lines(self.scenario, seen, by_outcomes=by_outcomes)

    def _other_faults(self, simulators: httpx.Client) -> list[str]:
        violations = simulators.get("violations").json()["violations"]
        faults = [
            f"{one['vendor']} {one['method']} {one['path']}: {one['message']}"
            for one in violations[:5]
        ]
        found = canary.files_with(self.scenario.canary, list(self.system.files))
        faults += [f"the word {self.scenario.canary!r} is in {path}" for path in found]
        faults += [f"{name} ended by itself" for name in self.system.look_after()]
        return faults

    def _outcomes(self) -> OutcomeReader:
        workspaces = frozenset(workspace.id for workspace in self.scenario.workspaces)
        return OutcomeReader(self.system.kafka, workspaces)

    @contextmanager
    def _clients(self) -> Iterator[tuple[httpx.Client, httpx.Client]]:
        simulators = httpx.Client(
            base_url=f"{self.system.simulators}/_control/", timeout=20, trust_env=False
        )
        ingest = httpx.Client(
            base_url=self.system.ingest,
            headers={"Authorization": f"Bearer {self.system.action_token}"},
            timeout=20,
            transport=SendsAgain(trust_env=False),
        )
        with simulators, ingest:
            yield simulators, ingest
