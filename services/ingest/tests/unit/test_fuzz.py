"""Thousands of mutated bodies: whatever comes, the answer is one of a few, and never a 500."""

import json
import random
from collections import Counter
from typing import Any

import httpx

SEED = 20261122
ROUNDS = {"quick": 2_000, "faults": 10_000, "long": 200_000}
TOKENS = (
    b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"1e999", b"-1", b"NaN", b"\\ud800",
    b"\\u0000", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'"id":[],', b'"created_at":"x",',
    b'"author":7,', b'"conversation_parts":{},', b"99999999999999999999999999",
)  # fmt: skip

ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    2**70,
    1.5,
    "",
    "\ud800",
    "a\r\nb",
    [],
    [[]],
    {},
    "9" * 30,
)


def _mutated(body: bytes, chance: random.Random) -> bytes:
    mutant = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(mutant) + 1)
        match chance.randrange(5):
            case 0:
                mutant[place:place] = chance.choice(TOKENS)
            case 1:
                del mutant[place : place + chance.randint(1, 40)]
            case 2:
                mutant[place : place + 1] = bytes([chance.randrange(256)])
            case 3:
                other = chance.randrange(len(mutant) + 1)
                mutant[place:place] = mutant[other : other + chance.randint(1, 200)]
            case _:
                del mutant[place:]
    return bytes(mutant)


def _replaced(value: Any, chance: random.Random) -> Any:
    """Another value somewhere in the document, so that it stays JSON."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        return value | {key: _replaced(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.9:
        return [_replaced(value[0], chance), *value[1:]]
    return chance.choice(
        [None, True, -1, 2**70, 1.5, "", "\ud800", "a\r\nb", [], [[]], {}, "9" * 30]
    )


async def test_no_mutated_body_is_answered_500(
    api: httpx.AsyncClient, signer: Any, examples: dict[str, Any], size: str
) -> None:
    chance = random.Random(SEED)
    documents = list(examples.values())
    answers: Counter[int] = Counter()
    for turn in range(ROUNDS[size]):
        document = chance.choice(documents)
        if turn % 2:
            body = json.dumps(_replaced(document, chance)).encode()
        else:
            body = _mutated(json.dumps(document).encode(), chance)
        answer = await api.post("/webhooks/intercom", content=body, headers=signer.headers(body))
        answers[answer.status_code] += 1
    assert set(answers) == {200, 400}, answers
