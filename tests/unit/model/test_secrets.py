"""Which values count as secrets."""

from __future__ import annotations

import pytest

from saltern.model.secrets import is_secret_key, secret_values


@pytest.mark.parametrize(
    "key",
    ["password", "admin_password", "keystone_service_token", "erlang_cookie", "secret", "root_passwd", "private_key",
     "metadata-secret", "rabbitmq_pass", "encryption_key", "db.password", "credential"],
)  # fmt: skip
def test_secret_keys(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "user",
        "password_file",
        "token_expiration",
        "secret_name",
        "bypass",
        "passthrough",
        "key_name",
        "tokens_ttl",
        "compass",
    ],
)
def test_other_keys(key: str) -> None:
    assert not is_secret_key(key)


def test_values() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"
    found = secret_values(
        {
            "keystone": {"server": {"admin_password": "s3cr3t-value", "admin_name": "admin-name", "port": 5000}},
            "list": [{"password": "in-a-list"}],
            "credentials": {"anything": "below-a-secret", "list": ["and-here"], "path": "/etc/not-this"},
            "x": {
                "cert": key,
                "api_key": "abcdef-0123456789",
                "some_key": "0123456789abcdef0123",
                "public_key_file": "/etc/x",
            },
            "password": "short",
            "db": {"password": "password", "secret": None, "token": 1234567},
        }
    )
    assert found == {
        "s3cr3t-value", "in-a-list", "below-a-secret", "and-here", key, "abcdef-0123456789", "0123456789abcdef0123",
    }  # fmt: skip
