"""The generated pages are current, and hold no secret's value."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATE = ROOT / "tools" / "docs" / "generate.py"


def test_the_generated_files_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, str(GENERATE), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"LULL_LOG_LEVEL": "debug", "LULL_INGEST_PORT": "1"},  # what is set here is not written
    )
    assert checked.returncode == 0, checked.stderr


def test_every_line_of_the_example_is_a_comment_and_secrets_have_no_value() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert all(not line or line.startswith("#") for line in lines)
    for said, variable in pairwise(lines):
        if "Secret. " in said:
            assert re.fullmatch(r"#LULL_[A-Z0-9_]+=", variable), variable


def test_every_variable_of_the_page_is_in_the_example_and_the_other_way_round() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    example = (ROOT / ".env.example").read_text()
    told = set(re.findall(r"^\| `(LULL_[A-Z0-9_]+)`", page, re.MULTILINE))
    assert told == set(re.findall(r"^#(LULL_[A-Z0-9_]+)=", example, re.MULTILINE))
    assert {"LULL_KAFKA_BOOTSTRAP_SERVERS", "LULL_INTERCOM_CLIENT_SECRETS"} <= told


def test_the_runbook_says_how_to_change_every_secret() -> None:
    example = (ROOT / ".env.example").read_text().splitlines()
    secrets = {
        variable.removeprefix("#").partition("=")[0]
        for said, variable in pairwise(example)
        if "Secret. " in said
    }
    table = (ROOT / "docs" / "runbook.md").read_text().partition("## Secrets")[2]
    assert secrets - set(re.findall(r"`(LULL_[A-Z0-9_]+)`", table)) == set()
