"""The demo finds no word of a conversation at rest; here it must find one that is planted."""

import time
from uuid import uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from demo import canary
from devstack import Stack

pytestmark = pytest.mark.integration


async def test_a_planted_word_is_found_in_kafkas_segments_and_postgresqls_files(
    stack: Stack,
) -> None:
    if stack.data_dir is None:
        pytest.skip("the servers run elsewhere: their files are out of reach")
    word = f"quokka{uuid4().hex}"
    topic = f"canary-{uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all")
    await producer.start()
    await producer.send_and_wait(topic, f"...{word}...".encode())
    await producer.stop()
    connection = await asyncpg.connect(stack.postgres_dsn)
    await connection.execute("CREATE TABLE planted (word text)")
    await connection.execute("INSERT INTO planted VALUES ($1)", word)
    await connection.execute("CHECKPOINT")
    await connection.close()

    deadline = time.monotonic() + 10
    found: set[str] = set()
    while time.monotonic() < deadline and not {"kafka", "postgres"} <= found:
        paths = canary.files_with(word, [stack.data_dir])
        found = {path.relative_to(stack.data_dir).parts[0] for path in paths}
    assert {"kafka", "postgres"} <= found
