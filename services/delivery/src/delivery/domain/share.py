"""How many attempts of one workspace may run at once, so that no workspace has all the workers.

Two bounds. *Its own*: as many as its CRM takes without failing and without having them wait for
rate permits; it grows by one with each attempt that met no such pressure (so it doubles each time
round), and shrinks under it. *Everybody's*: no more than as many as then are left free for others.
So one busy workspace gets half of the workers, two a third each, and there is always room for the
next one; a workspace that is alone is held back by nothing but half.
"""

from typing import Final

PRESSED_S: Final = 1.0  # waited for permits in one attempt: there are more at it than it takes
EASY_S: Final = 0.25


def size_after(size: float, *, failed: bool, waited_s: float, was_full: bool) -> float:
    """Its own bound after an attempt.

    Args:
        failed: it ended because the other side failed, refused or is held back.
        waited_s: how long it waited for rate permits in all.
        was_full: as many ran as the bound allows, so the bound may have been in the way.

    """
    if failed:
        return max(1.0, size / 2)
    if waited_s > PRESSED_S:
        return max(1.0, size - 1)
    return size + 1 if was_full and waited_s < EASY_S else size


def room(size: float, running: int, free: int) -> int:
    """How many more of it may be started, with so many workers free in all."""
    if free <= 0:
        return 0
    left_for_others = (free - running) // 2  # the more it has, the less it leaves
    return max(0, min(int(size) - running, max(left_for_others, 0 if running else 1)))
