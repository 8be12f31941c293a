"""Strict JSON: what two parsers could read differently is refused."""

import pytest
from ingest.domain.strict_json import DEPTH_MAX, Malformed, parse_object


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"null", id="null"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"{} {}", id="two documents"),
        pytest.param(b'{"a": 1, "a": 1}', id="a key twice"),
        pytest.param(b'{"a": {"b": 1, "\\u0062": 2}}', id="a key twice, written differently"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="Infinity"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
        pytest.param('{"a": "ä"}'.encode("latin-1"), id="Latin-1"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b'{"a": "\x00"}', id="a control character"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="a number of 5000 digits"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="100,000 objects deep"),
        pytest.param(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="100,000 lists deep"),
        pytest.param(b"{'a': 1}", id="single quotes"),
    ],
)
def test_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_object(raw)
    assert refusal.value.__cause__ is None  # the parser's own error quotes the document


def test_depth_is_allowed_up_to_the_limit_and_not_beyond() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * depth + b"1" + b"}" * depth

    assert parse_object(nested(DEPTH_MAX))
    with pytest.raises(Malformed, match="deep"):
        parse_object(nested(DEPTH_MAX + 1))


def test_an_object_is_read_as_it_is() -> None:
    assert parse_object('{"ä": [1, null, {"b": "\\ud83d\\ude00"}]}'.encode()) == {
        "ä": [1, None, {"b": "😀"}]
    }
