"""Where a conversation is seen at Intercom, and which conversation a person means."""

import re
from urllib.parse import quote, unquote, urlsplit

_ID = re.compile(r"[0-9]{1,20}")
_IN_LINK = re.compile(r"/conversations?/([0-9]{1,20})(?:/|$)")
_MOST_CHARS = 2_000


def conversation_url(link_base: str, workspace_id: str, conversation_id: str) -> str:
    return (
        f"{link_base.rstrip('/')}/a/inbox/{quote(workspace_id, safe='')}"
        f"/inbox/conversation/{quote(conversation_id, safe='')}"
    )


def conversation_meant(text: str) -> str | None:
    """The id in what a person pasted: the id itself, or a link of Intercom's with it."""
    text = text.strip()
    if _ID.fullmatch(text):
        return text
    if len(text) > _MOST_CHARS:
        return None
    try:
        path = unquote(urlsplit(text).path)
    except ValueError:
        return None
    found = _IN_LINK.findall(path)
    return found[-1] if found else None
