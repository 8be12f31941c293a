"""Configuration: every fault at once, and never a value in what is said."""

from datetime import timedelta
from pathlib import Path

import pytest
from common.config import (
    CommaSeparated,
    KafkaConfig,
    QuietPeriodConfig,
    SecretList,
    ServiceConfig,
)
from pydantic import Field, SecretStr


class ExampleConfig(ServiceConfig, KafkaConfig, QuietPeriodConfig):
    example_port: int = Field(8080, description="A port.")
    example_password: SecretStr = Field(..., description="A secret.")
    example_tokens: SecretList = Field(default_factory=list, description="Secrets.")
    example_names: CommaSeparated = Field(default_factory=list, description="Names.")


VARIABLES = (
    "EXAMPLE_NAMES",
    "EXAMPLE_PASSWORD",
    "EXAMPLE_PORT",
    "EXAMPLE_TOKENS",
    "KAFKA_BOOTSTRAP_SERVERS",
    "LOG_LEVEL",
    "QUIET_PERIOD_S",
    "SECRETS_DIR",
)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(f"LULL_{name}", raising=False)


def test_all_faults_are_listed_and_no_value_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LULL_EXAMPLE_PORT", "canary-port")
    monkeypatch.setenv("LULL_EXAMPLE_TOKENS", "canary-token")
    monkeypatch.setenv("LULL_QUIET_PERIOD_S", "-1")
    with pytest.raises(SystemExit) as refusal:
        ExampleConfig.load()
    said = str(refusal.value)
    for variable in (
        "KAFKA_BOOTSTRAP_SERVERS",
        "EXAMPLE_PASSWORD",
        "EXAMPLE_PORT",
        "QUIET_PERIOD_S",
    ):
        assert f"LULL_{variable}: " in said
    assert "4 variable(s)" in said
    assert "canary" not in said
    assert refusal.value.__cause__ is None


def test_every_part_reads_the_same_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LULL_LOG_LEVEL", "warning")
    monkeypatch.setenv("LULL_KAFKA_BOOTSTRAP_SERVERS", "a:1, b:2,")
    monkeypatch.setenv("LULL_QUIET_PERIOD_S", "20")
    monkeypatch.setenv("LULL_EXAMPLE_PASSWORD", "p")
    monkeypatch.setenv("LULL_EXAMPLE_TOKENS", "one, two")
    monkeypatch.setenv("LULL_EXAMPLE_NAMES", "x,y")
    config = ExampleConfig.load()
    assert config.log_level == "warning"
    assert config.kafka_bootstrap_servers == ["a:1", "b:2"]
    assert config.quiet_period == timedelta(seconds=20)
    assert [token.get_secret_value() for token in config.example_tokens] == ["one", "two"]
    assert config.example_names == ["x", "y"]


def test_secrets_are_not_in_the_configurations_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LULL_KAFKA_BOOTSTRAP_SERVERS", "a:1")
    monkeypatch.setenv("LULL_EXAMPLE_PASSWORD", "canary")
    monkeypatch.setenv("LULL_EXAMPLE_TOKENS", "canary,canary2")
    assert "canary" not in repr(ExampleConfig.load())


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lull_example_password").write_text("from-a-file\n")
    monkeypatch.setenv("LULL_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LULL_KAFKA_BOOTSTRAP_SERVERS", "a:1")
    assert ExampleConfig.load().example_password.get_secret_value() == "from-a-file"


def test_a_variable_wins_over_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lull_example_password").write_text("from-a-file")
    monkeypatch.setenv("LULL_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("LULL_KAFKA_BOOTSTRAP_SERVERS", "a:1")
    monkeypatch.setenv("LULL_EXAMPLE_PASSWORD", "from-a-variable")
    assert ExampleConfig.load().example_password.get_secret_value() == "from-a-variable"
