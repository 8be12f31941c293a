"""How often one address may begin to sign in: each begin costs a session and a trip to Intercom.

There is no password to guess, so nobody is locked out: who waits a little goes on. Addresses are
held in memory alone, by each replica for itself.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

_WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000

Network = IPv4Network | IPv6Network


@dataclass(slots=True)
class Limit:
    per_minute: int
    _begun: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict, init=False)

    def wait_s(self, address: str, now: float) -> float | None:
        """None: go on, and it counts; else the seconds until it may be tried again."""
        begun = self._begun.setdefault(address, deque())
        self._begun.move_to_end(address)
        while len(self._begun) > _MOST_ADDRESSES:
            self._begun.popitem(last=False)
        while begun and now - begun[0] >= _WINDOW_S:
            begun.popleft()
        if len(begun) >= self.per_minute:
            return _WINDOW_S - (now - begun[0])
        begun.append(now)
        return None


def client_address(peer: str, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """Whose request it is.

    Args:
        peer: who opened the connection.
        forwarded_for: `X-Forwarded-For`, each proxy having added whom it heard at the end.
        proxies: networks of our own proxies; what anybody else adds is not believed.

    """
    address = peer
    for before in reversed(forwarded_for):
        if not _is_in(address, proxies):
            break
        address = before.strip()
    return address


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks)
