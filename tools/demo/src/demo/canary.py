"""R11, no text at rest: which of our files hold a word that was said in a conversation."""

from collections.abc import Iterator, Sequence
from pathlib import Path

CHUNK_BYTES = 1 << 20


def files_with(word: str, folders: list[Path]) -> list[Path]:
    """Every file below these folders that holds the word, in UTF-8 or UTF-16, whatever its case."""
    return files_with_any([word], folders).get(word, [])


def files_with_any(words: Sequence[str], folders: list[Path]) -> dict[str, list[Path]]:
    """The same for several words, each file read once; words that are nowhere are left out."""
    found: dict[str, list[Path]] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                for word in words_in(path, words):
                    found.setdefault(word, []).append(path)
    return found


def words_in(path: Path, words: Sequence[str]) -> set[str]:
    forms = {
        form: word
        for word in words
        for form in (word.lower().encode(), word.lower().encode("utf-16-le"))
    }
    found: set[str] = set()
    for window in _windows(path, max(map(len, forms))):
        found |= {word for form, word in forms.items() if word not in found and form in window}
    return found


def _windows(path: Path, overlap: int) -> Iterator[bytes]:
    """The file in lower case, in pieces that overlap by a word, so that none is cut in two."""
    tail = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                if chunk.count(0) == len(chunk):  # Kafka's indexes are mostly holes
                    tail = b""
                    continue
                window = tail + chunk.lower()
                yield window
                tail = window[-overlap:]
    except FileNotFoundError:
        return  # a server removed it while we looked
