"""A teammate in front of our card in Intercom's inbox: reads it, fills it, presses its buttons."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

Json = dict[str, Any]

_FIELDS = ("input", "textarea", "dropdown")


class NotShown(Exception):
    """The app did not answer, or with something that Intercom would not show; the card stays."""


class InboxCard:
    """What is typed and the canvas are held here, as Intercom's page holds them.

    Args:
        ask: sends an initialize (None) or what was pressed; gives the control API's answer back,
            as `SimulatorControl.canvas` does.

    """

    def __init__(self, ask: Callable[[Json | None], Json]) -> None:
        self._ask = ask
        self._canvas: Json | None = None
        self._typed: dict[str, str] = {}
        self.took_ms = 0.0
        self.open()

    def open(self) -> str:
        """As when the conversation is opened again; what the card says."""
        return self._show(self._ask(None))

    def press(self, button: str) -> str:
        """What the card says then. Raises NotShown."""
        return self._show(self._ask(self.pressed(button)))

    def refresh_until(self, button: str, within_s: float) -> None:
        """As long as the card says that somebody is slow. Raises TimeoutError."""
        until = time.monotonic() + within_s
        while button not in self.buttons():
            if time.monotonic() > until:
                raise TimeoutError(self.said())
            self.open()
            time.sleep(0.05)

    def press_until_done(self, button: str, within_s: float) -> None:
        """Like a patient teammate: the same button with what the card holds, until it is done.

        Raises:
            TimeoutError: it was not; with what the card said last.

        """
        until = time.monotonic() + within_s
        while not self.said().startswith("Done"):
            if time.monotonic() > until:
                raise TimeoutError(self.said())
            try:
                self.press(button)
            except NotShown:
                time.sleep(0.05)

    def pressed(self, button: str) -> Json:
        """A press with what is typed now, to be sent as often as one likes."""
        if button not in self.buttons():
            raise NotShown(f"no {button} among {self.buttons()}: {self.said()}")
        return {
            "component_id": button,
            "input_values": self.fields() | self._typed,
            "current_canvas": self._canvas,
        }

    def send(self, pressed: Json, times: int) -> Sequence[str]:
        """The same press several times at once, as by a double click; what each answer says.

        No answer, as of an ingest that was just killed, says nothing.
        """
        with ThreadPoolExecutor(times) as pool:
            answers = list(pool.map(self._ask, [pressed] * times))
        return [_said(answer["canvas"]) for answer in answers]

    def fill(self, **typed: str) -> None:
        """Type into those fields that the form has."""
        self._typed |= {name: text for name, text in typed.items() if name in self.fields()}

    def said(self) -> str:
        return _said(self._canvas)

    def buttons(self) -> list[str]:
        return [one["id"] for one in _components(self._canvas) if one["type"] == "button"]

    def fields(self) -> dict[str, str]:
        shown = [one for one in _components(self._canvas) if one["type"] in _FIELDS]
        return {one["id"]: one.get("value", "") for one in shown}

    def _show(self, answer: Json) -> str:
        if answer["faults"]:
            raise NotShown(f"{answer['status']}: {'; '.join(answer['faults'])}")
        self._canvas, self._typed, self.took_ms = answer["canvas"], {}, answer["ms"]
        return self.said()


def _components(canvas: Json | None) -> list[dict[str, Any]]:
    return [] if canvas is None else list(canvas["content"]["components"])


def _said(canvas: Json | None) -> str:
    return "\n".join(one["text"] for one in _components(canvas) if one["type"] == "text")
