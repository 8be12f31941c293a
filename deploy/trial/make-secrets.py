"""Makes up the stack's passwords and keys: `make-secrets.py FOLDER`, one file per variable.

What is there already is kept, since it has encrypted tokens and made database roles by then.
"""

import base64
import os
import secrets
import sys
from pathlib import Path

READERS = 10001  # group of the services' user


def main(folder: Path) -> None:
    made = {
        name: _kept(folder / name, secrets.token_urlsafe(24))
        for name in (
            "postgres_password",
            "grafana_password",
            "settings_database_password",
            "delivery_database_password",
            "delivery_settings_token",
            "delivery_preview_token",
            "lull_settings_operator_token",
            "lull_delivery_operator_token",
            "lull_delivery_actions_token",
            "ingest_action_token",
        )
    }
    _kept(folder / "lull_settings_token_keys", f"k1:{base64.b64encode(os.urandom(32)).decode()}")
    token = made["delivery_settings_token"]
    _kept(folder / "lull_settings_caller_tokens", f"delivery:{token}")
    _kept(folder / "lull_delivery_settings_token", token)
    _kept(folder / "lull_ingest_action_tokens", f"hubspot:{made['ingest_action_token']}")
    for name in ("lull_delivery_preview_token", "lull_settings_delivery_token"):
        _kept(folder / name, made["delivery_preview_token"])
    for service in ("settings", "delivery"):
        password = made[f"{service}_database_password"]
        address = f"postgresql://{service}:{password}@postgres:5432/{service}"
        _kept(folder / f"lull_{service}_database_url", address)
    folder.chmod(0o755)


def _kept(file: Path, value: str) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(value)
        # PostgreSQL's first start reads its passwords as a user of its own.
        file.chmod(0o444 if file.name.endswith("_password") else 0o440)
        if os.geteuid() == 0:
            os.chown(file, 0, READERS)
    return file.read_text()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
