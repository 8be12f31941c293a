"""What Kafka is told, before it is started."""

from pathlib import Path

from devstack.kafka import new_cluster_id, server_properties


def test_no_cluster_id_looks_like_an_option_of_the_format_tool() -> None:
    ids = [new_cluster_id() for _ in range(1000)]
    assert not [one for one in ids if one.startswith("-")]
    assert {len(one) for one in ids} == {22}


def test_both_listeners_are_on_loopback_only() -> None:
    lines = server_properties(1111, 2222, Path("/data")).splitlines()
    assert "listeners=PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222" in lines
    assert "auto.create.topics.enable=false" in lines
