"""Does a request that changes something come from one of our own pages: the guard against CSRF.

Source: OWASP's CSRF prevention cheat sheet, fetch metadata (read 2026-11-26). Browsers say so
themselves, in Sec-Fetch-Site on https and loopback, else in Origin; who says neither is refused.
"""

from collections.abc import Mapping

SAFE = frozenset({"GET", "HEAD"})


def is_our_own(method: str, headers: Mapping[str, str], our_origin: str) -> bool:
    """Whether to serve it. `headers` are found whatever their case."""
    if method in SAFE:
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != our_origin:
        return False
    return site is not None or origin is not None
