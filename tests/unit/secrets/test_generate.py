"""New values have the shape that was asked for."""

from __future__ import annotations

import base64
import re
import uuid

import pytest

from saltern.base.errors import SecretError
from saltern.secrets.generate import generate, like


def test_generated() -> None:
    for _ in range(50):
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31}", generate(32))
    assert generate(20) != generate(20)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("abcdefgh", "[a-z]{8}"),
        ("Secret123", "[A-Za-z][A-Za-z0-9]{8}"),
        ("0123456789", "[0-9]{10}"),
        ("pass-word_1", "[a-z][a-z0-9_-]{10}"),
        ("deadbeef0123", "[0-9a-f]{12}"),
        ("DEADBEEF0123", "[0-9A-F]{12}"),
        ("EXAMPLEERLANGCOOKIE", "[A-Z]{19}"),
        ("3f0c9a52-6a4e-4c1b-9f3a-0a1b2c3d4e5f", "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    ],
)
def test_like(value: str, shape: str) -> None:
    for _ in range(50):
        made = like(value)
        assert re.fullmatch(shape, made)
        assert made != value


def test_every_kind_of_character_is_kept() -> None:
    for _ in range(50):
        made = like("aB3-eF7-")
        assert all(re.search(kind, made) for kind in ("[aBeF]|[a-z]", "[A-Z]", "[0-9]", "-"))


@pytest.mark.parametrize("size", [10, 16, 32, 64])
def test_keys_in_base64(size: int) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        old = encode(bytes(range(250, 250 - size, -1))).decode()
        made = like(old)
        assert len(made) == len(old)
        assert encode(base64.b64decode(made, b"-_" if encode is base64.urlsafe_b64encode else None)).decode() == made


def test_a_uuid_is_one() -> None:
    assert uuid.UUID(like(str(uuid.uuid4()))).version == 4
    assert re.fullmatch("[0-9A-F-]{36}", like(str(uuid.uuid4()).upper()))


@pytest.mark.parametrize(
    "value",
    [
        *("-----BEGIN KEY-----\nx\n-----END KEY-----\n", "two words", "sh0rt", "", "pässwörter"),
        *("$6$salt$0123456789", "mysql://nova:word@db/nova", '{"user":"nova"}', "eyJhbGciOiJIUzI1NiJ9.e30.abc"),
    ],
)
def test_what_cannot_be_made(value: str) -> None:
    with pytest.raises(SecretError) as caught:
        like(value)
    assert not value or value not in caught.value.problems[0].brief
