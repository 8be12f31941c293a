"""Every topic, declared once. `lull topics create` makes them; no consumer ever does."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from common.config import KafkaConfig
from common.kafka import client_security

CONVERSATION_UPDATED = "conversation.updated"
CONVERSATION_SETTLED = "conversation.settled"
SETTINGS_CHANGED = "settings.changed"
DELIVERY_OUTCOME = "delivery.outcome"

_SEEN_WITHIN_S = 15.0  # until every broker knows a topic that was just created
_LOOK_AGAIN_S = 0.1
_DAY_MS = 24 * 60 * 60 * 1000

OUTCOMES_KEPT_DAYS = 30


@dataclass(frozen=True, slots=True)
class Topic:
    name: str
    config: dict[str, str]


def _kept(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS)}


_MEANINGFUL = (
    # Debounce takes time from the log alone, so the broker must stamp each record on append.
    Topic(CONVERSATION_UPDATED, {**_kept(7), "message.timestamp.type": "LogAppendTime"}),
    Topic(CONVERSATION_SETTLED, _kept(7)),
    Topic(SETTINGS_CHANGED, {"cleanup.policy": "compact"}),
    Topic(DELIVERY_OUTCOME, _kept(OUTCOMES_KEPT_DAYS)),
)
TOPICS = (
    *_MEANINGFUL,
    *(
        Topic(dead_letter_topic, _kept(30))
        for dead_letter_topic in (f"{topic.name}.dlt" for topic in _MEANINGFUL)
    ),
)


class TopicsDifferError(Exception):
    """A topic exists with other settings than the product needs. Says which and how."""


async def create_topics(config: KafkaConfig) -> list[str]:
    """Create what is missing, and return the names created. Safe to repeat.

    Raises:
        TopicsDifferError: an existing topic has a setting that would break a promise. Mend it with
            Kafka's own tools; nothing was changed.

    """
    admin = AIOKafkaAdminClient(
        bootstrap_servers=config.kafka_bootstrap_servers, **client_security(config)
    )
    await admin.start()
    try:
        created = []
        for topic in TOPICS:
            new = NewTopic(
                config.kafka_topic_prefix + topic.name,
                config.kafka_partitions,
                config.kafka_replication_factor,
                topic_configs=topic.config,
            )
            answer = await admin.create_topics([new])
            code = answer.topic_errors[0][1]
            if code == 0:
                created.append(new.name)
            elif code != TopicAlreadyExistsError.errno:
                raise for_code(code)(f"creating {new.name}: {answer.topic_errors[0][2]}")
        await _check(admin, config)
        return created
    finally:
        await admin.close()


async def _check(admin: AIOKafkaAdminClient, config: KafkaConfig) -> None:
    names = {config.kafka_topic_prefix + topic.name: topic for topic in TOPICS}
    async with asyncio.timeout(_SEEN_WITHIN_S):
        partitions = await _partitions(admin, list(names))
        settings = await _settings(admin, list(names))
    faults = []
    updated, settled = (
        partitions[config.kafka_topic_prefix + name]
        for name in (CONVERSATION_UPDATED, CONVERSATION_SETTLED)
    )
    if updated != settled:
        faults.append(
            f"{CONVERSATION_UPDATED} has {updated} partitions and {CONVERSATION_SETTLED} "
            f"{settled}: they must be equal"
        )
    for name, topic in names.items():
        faults += [
            f"{name}: {key} is {settings[name].get(key)}, needed is {value}"
            for key, value in topic.config.items()
            if key in ("cleanup.policy", "message.timestamp.type")
            and settings[name].get(key) != value
        ]
    if faults:
        raise TopicsDifferError("; ".join(faults))


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Partitions of each topic, once the brokers know them all."""
    while True:
        found = await admin.describe_topics(names)
        if all(topic["error_code"] == 0 for topic in found):
            return {topic["topic"]: len(topic["partitions"]) for topic in found}
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, Any]]:
    """Settings of each topic, once the brokers know them all."""
    while True:
        answers = await admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
        )
        found = [resource for answer in answers for resource in answer.resources]
        codes = {code for code, *_ in found} - {0}
        if not codes:
            return {
                name: {entry[0]: entry[1] for entry in entries} for _, _, _, name, entries in found
            }
        if codes != {UnknownTopicOrPartitionError.errno}:
            raise for_code(codes.pop())("reading the topics' settings")
        await asyncio.sleep(_LOOK_AGAIN_S)
