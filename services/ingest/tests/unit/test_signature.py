"""Intercom's signature: only the exact bytes, signed with one of our secrets, pass."""

import json
from typing import Any

import pytest
from ingest.domain.signature import is_signed

SECRET = b"secret"


def test_the_recorded_vector_passes(signature_vector: dict[str, str]) -> None:
    assert is_signed(
        signature_vector["raw_body"].encode(),
        signature_vector["X-Hub-Signature"],
        [signature_vector["client_secret"].encode()],
    )


def test_old_and_new_secret_pass_while_it_is_rotated(signer: Any, old_signer: Any) -> None:
    secrets = [signer.secret, old_signer.secret]
    for each in (signer, old_signer):
        assert is_signed(b"{}", each.headers(b"{}")["X-Hub-Signature"], secrets)
    assert not is_signed(b"{}", old_signer.headers(b"{}")["X-Hub-Signature"], [signer.secret])


def test_no_secret_passes_nothing(signer: Any) -> None:
    assert not is_signed(b"{}", signer.headers(b"{}")["X-Hub-Signature"], [])


def test_every_flipped_bit_of_the_body_fails(examples: dict[str, Any], signer: Any) -> None:
    body = json.dumps(examples["conversation.user.replied"]).encode()
    header = signer.headers(body)["X-Hub-Signature"]
    assert is_signed(body, header, [signer.secret])
    for position in range(len(body)):
        flipped = bytearray(body)
        flipped[position] ^= 1 << (position % 8)
        assert not is_signed(bytes(flipped), header, [signer.secret])


def test_every_flipped_bit_of_the_header_fails(signer: Any) -> None:
    header = signer.headers(b"{}")["X-Hub-Signature"].encode()
    for position in range(len(header)):
        for bit in range(8):
            flipped = bytearray(header)
            flipped[position] ^= 1 << bit
            assert not is_signed(b"{}", flipped.decode("latin-1"), [signer.secret])


def test_the_same_json_written_anew_fails(examples: dict[str, Any], signer: Any) -> None:
    for example in examples.values():
        body = json.dumps(example).encode()
        header = signer.headers(body)["X-Hub-Signature"]
        anew = json.dumps(json.loads(body), separators=(",", ":")).encode()
        assert not is_signed(anew, header, [signer.secret])


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha1=",
        "sha1",
        "sha256=" + "0" * 64,
        "sha1=" + "0" * 39,
        "sha1=" + "0" * 41,
        "sha1=" + "g" * 40,
        "sha1=" + "0" * 40 + "\n",
        "sha1=" + "０" * 40,
        "0" * 40,
    ],
)
def test_a_header_of_another_form_fails(header: str | None) -> None:
    assert not is_signed(b"{}", header, [SECRET])


@pytest.mark.parametrize("addition", ["\n", " ", "0", ", sha1=" + "0" * 40])
def test_a_right_signature_with_something_after_it_fails(addition: str, signer: Any) -> None:
    header = signer.headers(b"{}")["X-Hub-Signature"] + addition
    assert not is_signed(b"{}", header, [signer.secret])
