"""The migrations of a service are one line of numbered files, each after the one before it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(ROOT.glob("services/*/src/*/migrations/versions"))
_REVISION = re.compile(r'^(revision|down_revision) = (?:"(\d{4})"|None)$', re.MULTILINE)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parents[1].name)
def test_each_migration_follows_the_one_before_it(folder: Path) -> None:
    before = ""
    for file in sorted(folder.glob("[0-9]*.py")):
        said = dict(_REVISION.findall(file.read_text()))
        assert said == {"revision": file.name.partition("_")[0], "down_revision": before}, file.name
        before = said["revision"]
    assert before
