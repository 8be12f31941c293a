"""Are the topics there, and as the service needs them? Asked before the consumer starts."""

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code
from common.config import KafkaConfig
from common.kafka import client_security
from common.topics import CONVERSATION_SETTLED, CONVERSATION_UPDATED

from debounce.ports import TopicConfigError


async def topics_fault(config: KafkaConfig) -> str | None:
    """What is missing; None: all there.

    Raises:
        TopicConfigError: they are there, and wrong. Waiting does not help.
        KafkaError: Kafka cannot be asked.

    """
    updated, settled = (
        config.kafka_topic_prefix + name for name in (CONVERSATION_UPDATED, CONVERSATION_SETTLED)
    )
    admin = AIOKafkaAdminClient(
        bootstrap_servers=config.kafka_bootstrap_servers,
        request_timeout_ms=10_000,
        **client_security(config),
    )
    try:
        await admin.start()
        found = await admin.describe_topics([updated, settled, f"{updated}.dlt"])
    finally:
        await admin.close()
    partitions = {}
    for topic in found:
        if topic["error_code"] == 3:  # UNKNOWN_TOPIC_OR_PARTITION
            return f"topic {topic['topic']} is missing: run `lull topics create`"
        if topic["error_code"]:
            raise for_code(topic["error_code"])(topic["topic"])
        partitions[topic["topic"]] = len(topic["partitions"])
    if partitions[updated] != partitions[settled]:
        raise TopicConfigError(
            f"{updated} has {partitions[updated]} partitions and {settled} has "
            f"{partitions[settled]}: they must be equal; add partitions to the one with fewer"
        )
    return None
