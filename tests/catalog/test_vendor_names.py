"""What a vendor calls its fields is known to that CRM's own files alone."""

import ast
import re
from pathlib import Path

import pytest
from common.catalog import CRMS

ROOT = Path(__file__).resolve().parents[2]
ADAPTERS = ROOT / "services/delivery/src/delivery/adapters/crm"
VENDORS = ROOT / "services/settings/src/settings/adapters/vendors"
CODE = tuple(
    file
    for part in ("libs/common", "services", "tools/cli")
    for file in (ROOT / part).rglob("*.py")
    if "src" in file.parts
)
# Words that a vendor and we have in common, each for a thing of its own.
OURS = {
    "person_id", "user_id", "created_at", "next_cursor",  # columns and answers of ours
    "client_id", "client_secret", "redirect_uri", "refresh_token",  # OAuth's, not a vendor's
    "invalid_grant", "invalid_request",
    "action_not_offered", "bad_id", "handed_over", "http_409", "partial_answer",  # our reasons
}  # fmt: skip
# Of one plain word nobody can tell whose it is: `id`, `name`, `notes`.
NAME = re.compile(r"(?=[A-Za-z$_])(?=.*(?:_|\d|@|\$|[a-z][A-Z]))[\w$@.]+", re.ASCII)


def files_of(crm: str) -> list[Path]:
    return [*(ADAPTERS / crm).glob("*.py"), VENDORS / f"{crm}.py"]


def names_in(file: Path) -> set[str]:
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    texts = {node.value for node in found if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


@pytest.mark.parametrize("crm", CRMS)
def test_no_field_name_of_a_vendor_stands_outside_its_files(crm: str) -> None:
    its_own = files_of(crm)
    named = set().union(*(names_in(file) for file in its_own)) - OURS - set(CRMS)
    assert len(named) > 10
    of_crms = {file for one in CRMS for file in files_of(one)}
    elsewhere = {
        file.relative_to(ROOT).as_posix(): sorted(both)
        for file in CODE
        if file not in of_crms and (both := names_in(file) & named)
    }
    assert elsewhere == {}
