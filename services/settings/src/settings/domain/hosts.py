"""Which API address, named by a vendor's answer, may be called: never one outside the allow-list.

An answer that could name any host would let whoever controls it send us, with our customers'
tokens, to the metadata service or to a neighbour inside the cluster (SSRF).
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}\.)*[a-z0-9-]{1,63}|[a-z0-9.-]{1,253}")


class HostNotAllowed(Exception):
    """The address does not lie on an allowed host. It is not repeated here: it is hostile text."""


def allowed_api_base(address: str, allowed: Sequence[str]) -> str:
    """The address without a trailing slash.

    Args:
        address: as the vendor's answer says it.
        allowed: `.pipedrive.com` stands for every host below it, over https, on the usual port and
            with no path; `127.0.0.1` for that host alone, any scheme, port and path (simulators).

    Raises:
        HostNotAllowed: for anything else.

    """
    if not address.isascii() or not address.isprintable() or set(address) & set(" \\@?#%"):
        raise HostNotAllowed
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise HostNotAllowed from None
    if host is None or not _HOST.fullmatch(host) or ".." in host:
        raise HostNotAllowed
    for entry in allowed:
        if entry.startswith("."):
            named = len(host) > len(entry) and host.endswith(entry) and not host.startswith(".")
            if named and parts.scheme == "https" and port is None and parts.path in ("", "/"):
                return f"https://{host}"
        elif host == entry and parts.scheme in ("http", "https"):
            return address.rstrip("/")
    raise HostNotAllowed
