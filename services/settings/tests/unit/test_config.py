"""Secrets in the configuration are checked at the start, and never shown."""

import base64

import pytest
from settings.config import SettingsConfig, by_name, by_region

GOOD = {
    "kafka_bootstrap_servers": "127.0.0.1:9092",
    "settings_database_url": "postgresql://u:canary-password@h/d",
    "settings_token_keys": f"k1:{base64.b64encode(b'1' * 32).decode()}",
    "settings_caller_tokens": "delivery:canary-caller-token",
    "settings_operator_token": "canary-operator-token",
    "intercom_client_id": "id",
    "intercom_client_secrets": "new,old",
}


def load(monkeypatch: pytest.MonkeyPatch, **changes: str) -> SettingsConfig:
    for name, value in (GOOD | changes).items():
        monkeypatch.setenv(f"LULL_{name.upper()}", value)
    return SettingsConfig.load()


def test_lists_keep_their_order_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(monkeypatch)
    assert by_name(config.settings_caller_tokens) == [("delivery", "canary-caller-token")]
    assert config.intercom_client_secrets[0].get_secret_value() == "new"
    assert by_region(config.intercom_api_urls)["EU"] == "https://api.eu.intercom.io"
    assert "canary" not in repr(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"settings_token_keys": "k1:canary"},
        {"settings_token_keys": f"k1:{base64.b64encode(b'canary' * 4).decode()}"},
        {"settings_token_keys": ""},
        {"settings_caller_tokens": "canary-without-name-here"},
        {"settings_caller_tokens": "delivery:canary"},
        {"settings_operator_token": "canary"},
        {"settings_operator_token": "canary-operator-token,canary"},
        {"intercom_client_secrets": ""},
        {"intercom_api_urls": "us:canary"},
        {"settings_public_url": "canary"},
    ],
)
def test_a_wrong_value_stops_the_start_without_being_shown(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(monkeypatch, **changes)
    message = str(stopped.value)
    assert f"LULL_{next(iter(changes)).upper()}" in message
    assert "canary" not in message


@pytest.mark.parametrize(
    "changes",
    [
        {"settings_webhook_url": "https://canary.example/hook"},
        {"settings_webhook_secret": "canary-canary-canary"},
        {"settings_smtp_url": "https://canary.example"},
        {"settings_public_url": "http://canary.example"},
        {"settings_trusted_proxies": "canary"},
    ],
)
def test_half_a_webhook_no_mail_server_and_no_place_for_cookies_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(monkeypatch, **changes)
    assert "canary" not in str(stopped.value)
