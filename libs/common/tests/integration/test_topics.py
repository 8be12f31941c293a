"""Creating the topics on the real Kafka: once, again, and where others made them differently."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError
from common.config import KafkaConfig
from common.topics import TOPICS, TopicsDifferError, create_topics

pytestmark = pytest.mark.integration


def _config(bootstrap: str, prefix: str, **more: Any) -> KafkaConfig:
    return KafkaConfig(
        kafka_bootstrap_servers=[bootstrap],
        kafka_topic_prefix=prefix,
        **{"kafka_partitions": 2, "kafka_replication_factor": 1, **more},
    )


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    yield admin
    await admin.close()


async def test_all_are_created_once_with_their_settings(admin: Any, kafka_bootstrap: str) -> None:
    config = _config(kafka_bootstrap, "topics-once.")
    names = [f"topics-once.{topic.name}" for topic in TOPICS]
    assert await create_topics(config) == names
    assert await create_topics(config) == []
    (answer,) = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, "topics-once.conversation.updated")]
    )
    settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert settings["message.timestamp.type"] == "LogAppendTime"
    assert settings["retention.ms"] == str(7 * 24 * 60 * 60 * 1000)


async def test_another_kind_of_timestamp_is_detected(admin: Any, kafka_bootstrap: str) -> None:
    await admin.create_topics([NewTopic("topics-time.conversation.updated", 2, 1)])
    with pytest.raises(TopicsDifferError, match=r"message\.timestamp\.type is CreateTime"):
        await create_topics(_config(kafka_bootstrap, "topics-time."))


async def test_unequal_partitions_are_detected(admin: Any, kafka_bootstrap: str) -> None:
    await admin.create_topics([NewTopic("topics-count.conversation.settled", 3, 1)])
    with pytest.raises(TopicsDifferError, match=r"2 partitions and conversation\.settled 3"):
        await create_topics(_config(kafka_bootstrap, "topics-count."))


async def test_more_copies_than_brokers_is_an_error(kafka_bootstrap: str) -> None:
    with pytest.raises(InvalidReplicationFactorError):
        await create_topics(_config(kafka_bootstrap, "topics-rf.", kafka_replication_factor=9))
