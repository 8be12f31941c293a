"""`python -m planted`: delivery with a fault planted by a test, the conversation in its memory.

`crash` raises the text wherever Python itself would print an error's message, and then dies of it;
`leak` lets it out, so that the search for it is seen to find it.
"""

import asyncio
import os
import sys
import threading
import warnings
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from common import log
from common.topics import DELIVERY_OUTCOME
from delivery import app
from delivery.adapters.intercom import Intercom
from delivery.worker import Worker

_read: Any = Intercom.conversation
_claim: Any = Worker._claim
_said: list[str] = []
_tasks: list[asyncio.Task[None]] = []


class _Finalized:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def __del__(self) -> None:
        raise ValueError(self.text)


def _raise(text: str) -> None:
    raise ValueError(text)


async def _lost(text: str) -> None:
    raise ValueError(text)


async def crash(text: str) -> None:
    threading.Thread(target=_raise, args=(text,)).start()
    asyncio.get_running_loop().call_soon(_raise, text)
    _tasks[:] = [asyncio.create_task(_lost(text))]
    _Finalized(text)
    warnings.warn(text, stacklevel=1)
    raise ValueError(text)


async def leak(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    log.get("planted").info("leaked", said=text)
    async with AIOKafkaProducer(
        bootstrap_servers=os.environ["LULL_KAFKA_BOOTSTRAP_SERVERS"]
    ) as producer:
        await producer.send_and_wait(DELIVERY_OUTCOME, b"{}", headers=[("said", text.encode())])
    connection = await asyncpg.connect(os.environ["LULL_DELIVERY_DATABASE_URL"])
    await connection.execute("UPDATE ledger SET reason = $1", text)
    await connection.close()


async def conversation(self: Intercom, *given: Any) -> Any:
    talk = await _read(self, *given)
    _said.append(" ".join(message.text for message in talk.messages))
    await PLANTS[os.environ["PLANTED"]](_said[-1])
    return talk


async def claim(self: Worker, *given: Any) -> Any:
    if os.environ["PLANTED"] == "crash" and len(_said) > 1:
        raise RuntimeError(_said[-1])
    return await _claim(self, *given)


PLANTS = {"crash": crash, "leak": leak}
Intercom.conversation = conversation  # type: ignore[assignment]
Worker._claim = claim  # type: ignore[method-assign]
app.main()
