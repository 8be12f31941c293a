"""R11, no text at rest: which of our files hold a word that was said in a conversation."""

from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20


def files_with(word: str, folders: list[Path]) -> list[Path]:
    """Every file below these folders that holds the word, in UTF-8 or UTF-16, whatever its case."""
    forms = [word.lower().encode(), word.lower().encode("utf-16-le")]
    return [
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and _holds(path, forms)
    ]


def _holds(path: Path, forms: list[bytes]) -> bool:
    return any(form in window for window in _windows(path, max(map(len, forms))) for form in forms)


def _windows(path: Path, overlap: int) -> Iterator[bytes]:
    """The file in lower case, in pieces that overlap by a word, so that none is cut in two."""
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                window = tail + chunk.lower()
                yield window
                tail = window[-overlap:]
    except FileNotFoundError:
        return  # a server removed it while we looked
