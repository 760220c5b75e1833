"""The environment, files, and all stores together."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.base.errors import Place, SecretError
from saltern.model.secret_references import SecretReference, SecretUse
from saltern.secrets.environment import EnvironmentStore
from saltern.secrets.files import FileStore
from saltern.secrets.resolve import check, resolve
from saltern.secrets.store import without_last_newline
from tests.unit.secrets.conftest import Reader


def use(store: str, name: str, file: str = "classes/a.yml", line: int = 1, node: str = "n") -> SecretUse:
    return SecretUse(SecretReference(store, name), node, ("x",), (Place(file, line),))


def test_last_newline() -> None:
    assert [without_last_newline(text) for text in ("a\n", "a\r\n", "a", "a\nb\n", "a\n\n", "")] == [
        "a", "a", "a", "a\nb\n", "a\n\n", "",
    ]  # fmt: skip


def test_environment() -> None:
    store = EnvironmentStore({"A": "value", "EMPTY": ""})
    assert store.read("A") == "value"
    for name, words in (("EMPTY", "is empty"), ("B", "is not set")):
        with pytest.raises(SecretError, match=words):
            store.read(name)
    assert store.wrong("A") is None
    assert store.wrong("B") is None
    assert store.wrong("a-b") is not None


def test_files(model: Path, tmp_path: Path) -> None:
    store = FileStore(model)
    (tmp_path / "secret").write_text("value\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (model / "plain").write_text("value")
    assert store.wrong(str(tmp_path / "secret")) is None
    assert store.read(str(tmp_path / "secret")) == "value"
    for name, words in ((str(tmp_path / "none"), "cannot be read"), (str(tmp_path / "binary"), "no UTF-8")):
        with pytest.raises(SecretError, match=words):
            store.read(name)
    for wrong in ("relative", "~no-such-user/x", "/a\0b", str(model / "plain"), str(tmp_path / "x/../model/plain")):
        assert store.wrong(wrong) is not None


def test_all_values(model: Path, alice: Reader) -> None:
    safe = alice.safe(model)
    safe.add_recipient(alice.recipient)
    safe.write({"a": "one"})
    stores = {"age": safe, "env": EnvironmentStore({"B": "two"})}
    values = resolve([use("env", "B"), use("age", "a"), use("age", "a", line=2)], stores)
    assert {str(reference): value for reference, value in values.items()} == {"?{age:a}": "one", "?{env:B}": "two"}


def test_an_empty_value_is_none(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretError, match="is empty"):
        resolve([use("file", str(tmp_path / "empty"))], {"file": FileStore(model)})


def test_all_problems_at_once_each_cause_once(model: Path, tmp_path: Path) -> None:
    safe = Reader(tmp_path / "nobody", "").safe(model)
    (model / "secrets").mkdir()
    for name in ("a", "b"):
        (model / f"secrets/{name}.age").write_text("x")
    uses = [
        use("age", "a", line=3),
        use("age", "a", line=3, node="m"),
        use("age", "b", line=4),
        use("age", "missing", "nodes/n.yml", 7),
        use("env", "B"),
        use("agee", "x", line=9),
    ]
    with pytest.raises(SecretError) as caught:
        resolve(uses, {"age": safe, "env": EnvironmentStore({})})
    found = {p.brief.split(":")[0]: ([str(place) for place in p.places], p.node) for p in caught.value.problems}
    assert found == {
        "no identity to open secrets with": (["classes/a.yml:3", "classes/a.yml:4"], "m, n"),
        "there is no secret 'missing'": (["nodes/n.yml:7"], "n"),
        "the environment variable B is not set": (["classes/a.yml:1"], "n"),
        "?{agee": (["classes/a.yml:9"], "n"),
    }
    checked = check(uses, {"age": safe, "env": EnvironmentStore({})})
    assert sorted(p.brief.split(":")[0] for p in checked) == ["?{agee", "there is no secret 'missing'"]
