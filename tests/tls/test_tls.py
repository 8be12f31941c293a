"""TLS on every way to Kafka and PostgreSQL, and least privilege: deploy/access.yml is enough, and
each other call is refused.
"""

import asyncio
from typing import Any
from unittest.mock import patch

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from common.catalog import CRMS
from common.config import KafkaConfig
from common.kafka import client_security
from common.topics import TOPICS

pytestmark = pytest.mark.integration

WAYS = ("SASL_SSL", "SSL")
PRINCIPALS = ("ingest", "debounce", "delivery", "settings", "topics")
TOPIC_FORBIDDEN, GROUP_FORBIDDEN = 29, 30  # ..._AUTHORIZATION_FAILED, as the protocol numbers them


def config(rig: Any, principal: str, way: str = "SASL_SSL", **changed: str) -> KafkaConfig:
    variables = rig.product.kafka_of(principal, way)
    values = {name.removeprefix("LULL_").lower(): value for name, value in variables.items()}
    return KafkaConfig(**{**values, "kafka_topic_prefix": "acme.", **changed})


def client(of: KafkaConfig) -> dict[str, Any]:
    return {"bootstrap_servers": of.kafka_bootstrap_servers, **client_security(of)}


@pytest.mark.parametrize("way", WAYS)
async def test_a_conversation_goes_from_webhook_to_note(rig: Any, way: str) -> None:
    if rig.product.way != way:
        await asyncio.to_thread(rig.product.services_use, way)
    rig.say()
    await asyncio.to_thread(rig.until, rig.noted)


async def connects(of: KafkaConfig) -> None:
    admin = AIOKafkaAdminClient(**client(of), request_timeout_ms=5_000)
    try:
        await admin.start()
        await admin.describe_cluster()
    finally:
        await admin.close()


@pytest.mark.parametrize("way", WAYS)
async def test_kafka_of_another_authority_or_name_is_refused(
    rig: Any, stranger: Any, way: str
) -> None:
    trusted = config(rig, "ingest", way)
    await connects(trusted)
    (address,) = trusted.kafka_bootstrap_servers
    for wrong in (
        {"kafka_ca_file": str(stranger.ca)},
        {"kafka_bootstrap_servers": address.replace("localhost", "127.0.0.1")},
    ):
        with pytest.raises(KafkaError):
            await connects(config(rig, "ingest", way, **wrong))


async def test_kafka_refuses_who_is_not_who_they_say(rig: Any, stranger: Any) -> None:
    certificate, key = stranger.issue("ingest")
    foreign = {"kafka_cert_file": str(certificate), "kafka_key_file": str(key)}
    for way, wrong in (
        ("SSL", foreign),
        ("SSL", {"kafka_cert_file": None, "kafka_key_file": None}),
        ("SASL_SSL", {"kafka_password": "not the password"}),
    ):
        with pytest.raises(KafkaError):
            await connects(config(rig, "ingest", way, **wrong))


async def test_postgres_of_another_authority_or_name_is_refused(rig: Any, stranger: Any) -> None:
    dsn = rig.product.databases["settings"]
    await (await asyncpg.connect(dsn)).close()
    for wrong in (
        dsn.replace(str(rig.product.authority.ca), str(stranger.ca)),
        dsn.replace("@localhost", "@127.0.0.1"),
    ):
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await asyncpg.connect(wrong)


@pytest.mark.parametrize("name", ["ingest", "debounce", "delivery", "settings"])
async def test_a_service_that_trusts_another_authority_says_so_and_does_nothing(
    rig: Any, stranger: Any, name: str, size: str
) -> None:
    if size == "quick" and name != "ingest":
        pytest.skip("the services share what makes connections; each is tried in the size faults")
    product = rig.product
    wrong = product.variables_of(name) | {"LULL_KAFKA_CA_FILE": str(stranger.ca)}
    with patch.object(product, "variables_of", lambda _: wrong):
        product.restart(name)
    url = f"{product.health_url(name)}/readyz"
    await asyncio.to_thread(rig.until, lambda: "Kafka" in unready(url))
    product.restart(name)
    await asyncio.to_thread(product.wait_ready, name)


def unready(url: str) -> str:
    """What is missing; empty while it does not listen yet, or is ready."""
    try:
        answer = httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return ""
    return "" if answer.is_success else answer.text


async def code_of_write(client: Any, topic: str) -> int:
    batch = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1_000)
    batch.append(0, 0, b"forbidden", b"forbidden", [])
    request = ProduceRequest(None, -1, 5_000, [(topic, [(0, bytes(batch.build()))])])
    answer = await client.send(client.get_random_node(), request)
    code: int = answer.topics[0][1][0][1]
    return code


async def code_of_read(client: Any, topic: str) -> int:
    request = FetchRequest(0, 0, 1_000, 0, [(topic, [(0, 0, 1_000)])])
    answer = await client.send(client.get_random_node(), request)
    code: int = answer.topics[0][1][0][1]
    return code


async def code_of_join(client: Any, group: str) -> int:
    request = JoinGroupRequest(group, 30_000, 30_000, "", None, "consumer", [("range", b"")])
    answer = await client.send(client.get_random_node(), request)
    code: int = answer.error_code
    return code


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("principal", PRINCIPALS)
async def test_each_call_to_kafka_that_is_not_granted_is_refused(
    rig: Any, principal: str, way: str
) -> None:
    assert tuple(rig.product.access) == PRINCIPALS
    may = rig.product.access[principal]
    topics = {f"acme.{topic.name}" for topic in TOPICS} | {"others.topic"}
    groups = {f"acme.delivery-{crm}" for crm in CRMS} | {"acme.debounce", "acme.stolen"}
    admin = AIOKafkaAdminClient(**client(config(rig, principal, way)))
    await admin.start()
    try:
        kafka = admin._client
        for topic in sorted(topics - may.writes):
            assert await code_of_write(kafka, topic) == TOPIC_FORBIDDEN, topic
        for topic in sorted(topics - may.reads):
            assert await code_of_read(kafka, topic) == TOPIC_FORBIDDEN, topic
        for topic in sorted(may.reads):  # the question is well put: what is granted has an answer
            assert await code_of_read(kafka, topic) == 0, topic
        for group in sorted(groups - may.groups):
            assert await code_of_join(kafka, group) == GROUP_FORBIDDEN, group
        for name in ["acme.of-my-own"] + ["acme.conversation.updated"] * (not may.creates):
            created = await admin.create_topics([NewTopic(name, 1, 1)])
            assert created.topic_errors[0][1] == TOPIC_FORBIDDEN, name
        deleted = await admin.delete_topics(["acme.conversation.settled"])
        assert deleted.topic_error_codes[0][1] == TOPIC_FORBIDDEN
    finally:
        await admin.close()


OTHER = {"settings": "delivery", "delivery": "settings"}
NEVER = (
    "CREATE TABLE mine (id int)",
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "ALTER TABLE alembic_version ADD COLUMN mine int",
    "DROP TABLE alembic_version",
    "SELECT * FROM pg_authid",
    "SELECT pg_read_file('PG_VERSION')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
)
OF_SETTINGS = (
    "UPDATE audit SET actor = 'nobody'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "DROP TRIGGER audit_append_only ON audit",
    "SET session_replication_role = replica",
)


@pytest.mark.parametrize("role", OTHER)
async def test_each_call_to_postgres_that_is_not_granted_is_refused(rig: Any, role: str) -> None:
    dsn = rig.product.databases[role]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="denied for database"):
        await asyncpg.connect(dsn.replace(f"/{role}?", f"/{OTHER[role]}?"))
    connection = await asyncpg.connect(dsn)
    try:
        for statement in NEVER + OF_SETTINGS * (role == "settings"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("way", WAYS)
async def test_what_lets_services_into_kafka_is_changed_while_they_run(
    rig: Any, way: str, size: str
) -> None:
    if size == "quick":
        pytest.skip("restarts every service up to three times: in the size faults")
    product = rig.product
    if product.way != way:
        await asyncio.to_thread(product.services_use, way)
    old = config(rig, "ingest")
    await asyncio.to_thread(product.change_credentials, way)
    rig.say()
    if way == "SSL":  # the old certificates are good for as long as they say
        await asyncio.to_thread(rig.until, rig.noted)
    # Whoever needs a new connection to Kafka waits for its new password; nothing is lost.
    await asyncio.to_thread(product.services_use, way)
    rig.say()
    await asyncio.to_thread(rig.until, rig.noted)
    await connects(config(rig, "ingest", way))
    if way == "SASL_SSL":
        with pytest.raises(KafkaError):
            await connects(old)
