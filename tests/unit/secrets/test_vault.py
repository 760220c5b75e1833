"""Vault's key/value engine, version 2, spoken by a small server on loopback: no Vault is needed, and none was tried."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from saltern.base.errors import Problem, SecretError
from saltern.secrets.vault import VaultStore

TOKEN = "s.good-token"
SECRETS = {"/v1/kv/data/cloud/keystone": {"admin": "from-vault", "port": 5000}}


class Handler(BaseHTTPRequestHandler):
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("X-Vault-Namespace", "")))
        if self.headers.get("X-Vault-Token") != TOKEN:
            self._answer(403, {"errors": ["permission denied"]})
        elif self.path == "/v1/kv/data/sealed":
            self._answer(503, {"errors": ["Vault is sealed"]})
        elif self.path == "/v1/kv/data/proxy":
            self._answer(200, ["not Vault"])
        elif self.path == "/v1/kv/data/deleted":
            self._answer(404, {"data": {"data": None, "metadata": {"deletion_time": "2026-01-01T00:00:00Z"}}})
        elif self.path in SECRETS:
            self._answer(200, {"data": {"data": SECRETS[self.path], "metadata": {"version": 1}}})
        else:
            self._answer(404, {"errors": []})

    def _answer(self, code: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"asked": asked})) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def problem_of(store: VaultStore, name: str) -> Problem:
    with pytest.raises(SecretError) as caught:
        store.read(name)
    return caught.value.problems[0]


def test_fields_of_a_secret_with_one_request(server: tuple[str, list[tuple[str, str]]], tmp_path: Path) -> None:
    address, asked = server
    store = VaultStore({"VAULT_ADDR": address, "VAULT_TOKEN": TOKEN, "VAULT_NAMESPACE": "ours"}, tmp_path)
    assert store.read("kv/cloud/keystone#admin") == "from-vault"
    assert store.read("kv/cloud/keystone#port") == "5000"
    assert asked == [("/v1/kv/data/cloud/keystone", "ours")]
    problem = problem_of(store, "kv/cloud/keystone#nothing")
    assert problem.resolution == "its fields: admin, port"


def test_the_token_that_login_left(server: tuple[str, list[tuple[str, str]]], tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(f"{TOKEN}\n")
    assert VaultStore({"VAULT_ADDR": server[0]}, tmp_path).read("kv/cloud/keystone#admin") == "from-vault"


@pytest.mark.parametrize(
    ("name", "brief"),
    [
        ("kv/none#x", "Vault has no secret kv/none"),
        ("kv/deleted#x", "Vault has no secret kv/deleted"),
        ("kv/sealed#x", "does not answer as it should"),
        ("kv/proxy#x", "does not answer as it should"),
    ],
)
def test_answers_without_a_secret(
    server: tuple[str, list[tuple[str, str]]], tmp_path: Path, name: str, brief: str
) -> None:
    assert brief in problem_of(VaultStore({"VAULT_ADDR": server[0], "VAULT_TOKEN": TOKEN}, tmp_path), name).brief


def test_denied(server: tuple[str, list[tuple[str, str]]], tmp_path: Path) -> None:
    problem = problem_of(VaultStore({"VAULT_ADDR": server[0], "VAULT_TOKEN": "s.bad"}, tmp_path), "kv/a#x")
    assert problem.brief == "Vault denies reading kv/a"
    assert "s.bad" not in str(problem)


def test_unreachable_is_one_problem_for_all(tmp_path: Path) -> None:
    store = VaultStore({"VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": TOKEN}, tmp_path)
    first, second = problem_of(store, "kv/a#x"), problem_of(store, "kv/b#y")
    assert first == second
    assert "127.0.0.1:9 does not answer" in first.brief


def test_who_and_where_must_be_said(tmp_path: Path) -> None:
    assert "VAULT_ADDR is not set" in problem_of(VaultStore({"VAULT_TOKEN": TOKEN}, tmp_path), "kv/a#x").brief
    assert "VAULT_TOKEN is not set" in problem_of(VaultStore({"VAULT_ADDR": "http://x"}, tmp_path), "kv/a#x").brief


def test_names(tmp_path: Path) -> None:
    store = VaultStore({}, tmp_path)
    assert store.wrong("kv/cloud/keystone#admin") is None
    for name in ("kv", "kv/a", "kv#a", "/a#x", "kv/a#", "#x"):
        assert store.wrong(name) is not None
        problem_of(store, name)
