"""Both servers for real: up, killed, up again with what they had, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from devstack import DevStack, DevStackError, Stack, ensure_database
from devstack import stack as stack_module
from devstack.kafka import start_cache
from devstack.supervise import end_leftover
from devstack.waiting import wait_until

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried here is the packages, whatever this machine could choose besides."""
    monkeypatch.setenv("LULL_DEVSTACK_SOURCE", "packages")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevStack]:
    """A stack of this file's own, beside the session's: it is killed and started again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LULL_DEVSTACK_SOURCE", "packages")
        with DevStack(tmp_path_factory.mktemp("own"), durable=False) as running:
            yield running


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for several runs: what a killed run left must serve the next one."""
    return tmp_path_factory.mktemp("crashed")


def family(*pids: int | None) -> list[psutil.Process]:
    """The servers with their guards and children."""
    found = []
    for pid in pids:
        guard = psutil.Process(pid).parent()
        assert guard is not None
        found += [guard, *guard.children(recursive=True)]
    return found


def all_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=0)[1]


async def rows(dsn: str, query: str) -> list[object]:
    connection = await asyncpg.connect(dsn)
    try:
        return [record[0] for record in await connection.fetch(query)]
    finally:
        await connection.close()


async def create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def append(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def values(bootstrap: str, topic: str) -> list[bytes | None]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]


def test_two_stacks_run_side_by_side(own: DevStack, stack: Stack) -> None:
    mine = own.stack
    assert mine.kafka_bootstrap != stack.kafka_bootstrap
    assert mine.postgres_dsn != stack.postgres_dsn


def test_kafka_starts_with_what_was_learnt_of_its_classes(own: DevStack) -> None:
    command = psutil.Process(own.stack.kafka_pid).cmdline()
    cache = start_cache(command[command.index("-cp") + 1])
    if not cache.exists():
        pytest.skip("nothing was learnt here: `lull-devstack warm` does")
    assert f"-XX:AOTCache={cache}" in command
    log = next(own.data_dir.rglob("kafka.log")).read_text()
    assert "[aot" not in log, "the JVM would say why it cannot use it"


async def test_an_acked_record_survives_kill_9_of_kafka_on_the_same_port(own: DevStack) -> None:
    before = own.stack
    await create_topic(before.kafka_bootstrap, "survives")
    await append(before.kafka_bootstrap, "survives", b"acked")
    assert before.kafka_pid is not None
    os.kill(before.kafka_pid, signal.SIGKILL)

    after = own.restart_kafka()

    assert after.kafka_bootstrap == before.kafka_bootstrap
    assert after.kafka_pid != before.kafka_pid
    assert await values(after.kafka_bootstrap, "survives") == [b"acked"]


async def test_a_committed_row_survives_kill_9_of_postgres_on_the_same_port(own: DevStack) -> None:
    before = own.stack
    await rows(before.postgres_dsn, "CREATE TABLE survives AS SELECT 7 AS n")
    own.kill_postgres()

    after = own.restart_postgres()

    assert after.postgres_dsn == before.postgres_dsn
    assert after.postgres_pid != before.postgres_pid
    assert await rows(after.postgres_dsn, "SELECT n FROM survives") == [7]


def test_a_second_stack_in_the_same_folder_is_refused(
    own: DevStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "LOCK_SECONDS", 0.1)
    with pytest.raises(DevStackError, match=r"Another stack runs in .*: stop it first"):
        DevStack(own.data_dir, kafka=False).start()


def test_stop_leaves_no_process_and_the_data_serves_the_next_start(tmp_path: Path) -> None:
    running = DevStack(tmp_path, kafka=False, durable=False)
    processes = family(running.start().postgres_pid)
    assert len(processes) > 4
    running.stop()
    assert all_gone(processes)
    running.stop()  # idempotent

    with running as again:
        assert again.stack.data_dir == tmp_path


SCRIPT = """
import sys
from pathlib import Path
from devstack import DevStack
stack = DevStack(Path(sys.argv[1]), durable=False).start()
print(stack.kafka_pid, stack.postgres_pid, flush=True)
sys.stdin.read()
"""


def test_kill_9_of_the_starter_leaves_no_process(crashed: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(crashed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        processes = family(*map(int, starter.stdout.readline().split()))
        starter.kill()
        wait_until(lambda: all_gone(processes))


def test_an_exit_without_stop_leaves_no_process(tmp_path: Path) -> None:
    script = SCRIPT.replace("durable=False", "kafka=False, durable=False")
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as starter:
        assert starter.stdout is not None
        processes = family(int(starter.stdout.readline().split()[1]))
        _, said = starter.communicate(timeout=20)
        assert (starter.returncode, said) == (0, b"")
        assert all_gone(processes)


def test_ctrl_c_ends_the_command_and_both_servers(crashed: Path) -> None:
    command = [sys.executable, "-m", "devstack.main"]
    folder = ["--data-dir", str(crashed)]
    with subprocess.Popen([*command, "up", *folder], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        printed = up.stdout.readline() + up.stdout.readline()
        assert subprocess.check_output([*command, "env", *folder], text=True) == printed
        pid_files = [crashed / "kafka.pid", crashed / "postgres.pid"]
        pids = [json.loads(file.read_text())["pid"] for file in pid_files]
        processes = family(*pids)
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 0
        assert all_gone(processes)


def test_a_leftover_of_a_crashed_run_is_ended_but_never_a_stranger(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        pid_file = tmp_path / "kafka.pid"
        created = psutil.Process(process.pid).create_time()

        pid_file.write_text(json.dumps({"pid": process.pid, "created": created - 100}))
        end_leftover(pid_file, 1)
        assert process.poll() is None

        pid_file.write_text(json.dumps({"pid": process.pid, "created": created}))
        end_leftover(pid_file, 1)
        assert not psutil.pid_exists(process.pid)
        assert not pid_file.exists()


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_used_port_is_named_where_a_fixed_one_was_asked_for(tmp_path: Path, server: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = DevStack(
            tmp_path,
            kafka=server == "kafka",
            postgres=server == "postgres",
            kafka_port=port,
            postgres_port=port,
        )
        with pytest.raises(DevStackError, match=f"Port {port} .* is used by another program"):
            stack.start()


def test_kafka_that_ends_at_its_start_says_why(tmp_path: Path) -> None:
    data = tmp_path / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\nnode.id=99\ncluster.id=someone-elses\n")
    stack = DevStack(tmp_path, postgres=False)
    with pytest.raises(DevStackError, match=r"Kafka ended while starting: .*99.*kafka\.log"):
        stack.start()


async def test_a_role_reaches_its_own_database_and_no_other(postgres_dsn: str) -> None:
    first = ensure_database(postgres_dsn, "devstack-a", "devstack's a", "pa ss/@")
    again = ensure_database(postgres_dsn, "devstack-a", "devstack's a", "pa ss/@")
    second = ensure_database(postgres_dsn, "devstack-b", "devstack-b", "other")
    assert again == first
    await rows(first, "CREATE TABLE mine AS SELECT 1")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await rows(second.removesuffix("devstack-b") + "devstack-a", "SELECT 1")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await rows(second.replace(":other@", ":wrong@"), "SELECT 1")
