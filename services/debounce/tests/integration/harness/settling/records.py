"""What stands in the two topics, and how it is judged."""

import asyncio
import json
import uuid
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from common.events import ConversationUpdated
from debounce.judge import LoggedSettled, LoggedUpdate, Verdict, judge
from devstack.waiting import until
from pydantic import ValidationError

from settling.replica import DEADLINE_S


class Records:
    """What stands in the topics of one test, and the verdict on it."""

    def __init__(self, bootstrap: str, quiet_s: float, partitions: int) -> None:
        self.bootstrap = bootstrap
        self.quiet_ms = round(quiet_s * 1000)
        self.partitions = partitions
        self.prefix = f"t{uuid.uuid4().hex[:10]}."
        self.updated = f"{self.prefix}conversation.updated"
        self.settled = f"{self.prefix}conversation.settled"

    async def updates(self) -> list[LoggedUpdate]:
        found = []
        for record in await self.read(self.updated):
            place = (record.partition, record.offset, record.timestamp)
            try:
                event = ConversationUpdated.model_validate_json(record.value or b"")
            except ValidationError:  # a tick, or poison
                found.append(LoggedUpdate(*place, None))
            else:
                updated_at = int(event.updated_at.timestamp())
                found.append(LoggedUpdate(*place, event.key().decode(), updated_at, event.part_id))
        return found

    async def settled_events(self, *, trust_clock: bool = True) -> list[LoggedSettled]:
        found = []
        for record in await self.read(self.settled):
            headers = dict(record.headers)
            partition, _, offset = headers["ce_id"].decode().partition("-")
            assert int(partition) == record.partition
            body = json.loads(record.value)
            found.append(
                LoggedSettled(
                    record.partition,
                    int(offset),
                    record.key.decode(),
                    body["updated_at"],
                    body["part_id"],
                    record.timestamp if trust_clock else None,
                )
            )
        return found

    async def settle_delays_ms(self) -> list[int]:
        """From due, by the log's time, to the event's append time."""
        due, log_time = {}, [0] * self.partitions
        for update in await self.updates():
            number = update.partition
            log_time[number] = max(log_time[number], update.appended_ms)
            due[number, update.offset] = log_time[number] + self.quiet_ms
        settled = await self.settled_events()
        return [
            one.appended_ms - due[one.partition, one.named_offset]
            for one in settled
            if one.appended_ms is not None
        ]

    async def verdict(self, *, trust_clock: bool = True) -> Verdict:
        """Taking it that nothing more comes."""
        settled = await self.settled_events(trust_clock=trust_clock)
        return judge(await self.updates(), settled, self.quiet_ms, at_rest=True)

    async def all_settled(self, within_s: float = DEADLINE_S, **how: bool) -> Verdict:
        """Wait until nothing is missing, then judge."""

        async def done() -> bool:
            return not (await self.verdict(**how)).missing

        await until(done, within_s, "everything is settled")
        return await self.verdict(**how)

    async def until_nothing_more_settles(self, for_s: float) -> None:
        async def at_rest() -> bool:
            before = len(await self.read(self.settled))
            await asyncio.sleep(for_s)
            return before == len(await self.read(self.settled))

        await until(at_rest, 2 * DEADLINE_S, f"no event for {for_s} s")

    async def read(self, topic: str) -> list[Any]:
        """Everything in it now."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            places = [TopicPartition(topic, number) for number in range(self.partitions)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            found: list[Any] = []
            left = {place for place in places if ends[place] > await consumer.position(place)}
            while left:
                for place, records in (await consumer.getmany(timeout_ms=1000)).items():
                    found += [record for record in records if record.offset < ends[place]]
                    if await consumer.position(place) >= ends[place]:
                        left.discard(place)
            return found
        finally:
            await consumer.stop()

    async def committed(self) -> dict[int, int | None]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=f"{self.prefix}debounce",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            return {
                number: await consumer.committed(TopicPartition(self.updated, number))
                for number in range(self.partitions)
            }
        finally:
            await consumer.stop()

    async def until_committed(self, offsets: dict[int, int]) -> None:
        async def reached() -> bool:
            return await self.committed() == offsets

        await until(reached, DEADLINE_S, f"committed: {offsets}")

    async def end_offsets(self) -> dict[int, int]:
        """Of the updates, none of which a test may append meanwhile."""
        ends = dict.fromkeys(range(self.partitions), 0)
        for record in await self.read(self.updated):
            ends[record.partition] = record.offset + 1
        return ends
