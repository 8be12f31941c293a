"""The search for a word at rest must find it wherever it is."""

from pathlib import Path

import pytest
from demo import canary


@pytest.mark.parametrize(
    "content",
    [
        b"before quokka after",
        b"QUOKKA",
        "quokka".encode("utf-16-le"),
        b"x" * (canary.CHUNK_BYTES - 3) + b"quokka",  # over the edge of two pieces
    ],
)
def test_the_word_is_found(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "deep" / "00000.log"
    file.parent.mkdir()
    file.write_bytes(content)
    (tmp_path / "other").write_bytes(b"quokk a")
    assert canary.files_with("quokka", [tmp_path]) == [file]
