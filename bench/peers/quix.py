"""The same debounce on quixstreams: `python quix.py key|partition`. Runs in the bench's own venv.

Its session window can close by the key's own next update ("key": a conversation that stays silent
is never settled) or by any update of the partition ("partition"). Everything not named here is
quixstreams' default.
"""

import os
import sys
import threading
import time
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]

processed = probes = 0


def count(_: Any, key: bytes, *__: Any) -> None:
    global processed, probes
    processed += 1
    if key.startswith(b"probe"):
        probes += 1


def newer(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    one_at, other_at = (one["updated_at"], one["part_id"]), (other["updated_at"], other["part_id"])
    return other if other_at > one_at else one


def settled(window: dict[str, Any]) -> dict[str, Any]:
    update = window["value"]
    return {
        "workspace_id": update["workspace_id"],
        "conversation_id": update["conversation_id"],
        "trigger": "quiet",
        "updated_at": update["updated_at"],
        "part_id": update["part_id"],
    }


def tell() -> None:
    told = ""
    while True:
        now = f"processed {processed} probes {probes}"
        if now != told:
            print(now, flush=True)
            told = now
        time.sleep(0.1)


def main() -> None:
    app = Application(
        broker_address=os.environ["PEER_BOOTSTRAP"],
        consumer_group=os.environ["PEER_GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["PEER_STATE_DIR"],
    )
    updated = app.topic(
        os.environ["PEER_UPDATED"], key_deserializer="bytes", value_deserializer="json"
    )
    out = app.topic(os.environ["PEER_SETTLED"], key_serializer="bytes", value_serializer="json")
    # Two updates exactly a gap apart are one session; we settle at exactly the quiet period.
    gap_ms = int(os.environ["PEER_QUIET_MS"]) - 1
    frame = app.dataframe(updated)
    frame = frame.filter(lambda value: bool(value))  # ticks are not for it
    frame = frame.update(count, metadata=True)
    frame = frame.session_window(gap_ms).reduce(newer, lambda value: value, merger=newer)
    frame = frame.final(closing_strategy=sys.argv[1])
    frame.apply(settled).to_topic(out)
    threading.Thread(target=tell, daemon=True).start()
    app.run()


if __name__ == "__main__":
    main()
