"""``saltern secret``: each verb as a user calls it."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from saltern.base.errors import ExitCode
from saltern.project import safekeeping
from tests.unit.cli.conftest import Run, Said

Call = Callable[..., Said]
NODE = """\
applications: [web]
parameters:
  web:
    password: ?{age:web/password}
    url: http://?{env:SALTERN_TEST_USER}@x/
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SALTERN_IDENTITY", str(tmp_path / "identity.txt"))
    for folder in ("classes", "nodes"):
        (tmp_path / "model" / folder).mkdir(parents=True)
    (tmp_path / "model/nodes/web01.yml").write_text(NODE)
    return tmp_path / "model"


@pytest.fixture
def secret(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """``secret("get", "name", stdin="…")``; the model has a recipient."""

    def call(*words: str, stdin: str | bytes = "") -> Said:
        data = stdin if isinstance(stdin, bytes) else stdin.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))
        return run("secret", *words, "--model", str(root))

    assert call("init").code == 0
    return call


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in (root / "secrets").rglob("*.age")}


def test_init_makes_an_identity_once(secret: Call, root: Path) -> None:
    identity = root.parent / "identity.txt"
    before = identity.read_text()
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    again = secret("init", "--json").json
    assert (again["made"], again["added"]) == (False, [])
    assert identity.read_text() == before
    assert again["recipients"][0] in (root / "secrets/recipients.txt").read_text()
    assert "AGE-SECRET-KEY" not in (root / "secrets/recipients.txt").read_text()
    said = secret("init", "--identity", str(root / "key.txt"))
    assert said.code == ExitCode.SECRET
    assert not (root / "key.txt").exists()


def test_set_and_get(secret: Call, root: Path) -> None:
    said = secret("set", "web/password", stdin="from stdin\n")
    assert said.out == "web/password: new\n"
    assert secret("get", "web/password").out == "from stdin"
    assert secret("get", "?{age:web/password}", "--json").json["value"] == "from stdin"
    assert secret("set", "web/password", stdin="line one\nline two\n").out == "web/password: replaced\n"
    assert secret("get", "web/password").out == "line one\nline two\n"
    assert "line" not in "".join(files(root).values())


def test_generated_values_are_not_shown(secret: Call) -> None:
    said = secret("set", "web/password", "--generate", "24")
    value = secret("get", "web/password").out
    assert len(value) == 24
    assert value not in said.out + said.err


@pytest.mark.parametrize("words", [("set", "a"), ("set", "../a"), ("get", "none"), ("get", "?{nowhere:x}")])
def test_refused(secret: Call, root: Path, words: tuple[str, ...]) -> None:
    said = secret(*words, stdin="" if words == ("set", "a") else "value")
    assert said.code == (ExitCode.USAGE if words == ("set", "a") else ExitCode.SECRET)
    assert "error: " in said.err
    assert files(root) == {}


def test_get_from_other_stores(secret: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALTERN_TEST_USER", "alice")
    assert secret("get", "?{env:SALTERN_TEST_USER}").out == "alice"


def test_list_says_who_uses_what(secret: Call) -> None:
    secret("set", "unused", "--generate", "8")
    assert secret("list", "--json").json == [
        {"reference": "?{age:unused}", "remark": "nothing refers to it", "nodes": [], "places": []},
        {
            "reference": "?{age:web/password}",
            "remark": "there is no secret 'web/password': secrets/web/password.age does not exist",
            "nodes": ["web01"],
            "places": ["nodes/web01.yml:4:15"],
        },
        {
            "reference": "?{env:SALTERN_TEST_USER}",
            "remark": "",
            "nodes": ["web01"],
            "places": ["nodes/web01.yml:5:10"],
        },
    ]
    assert "nodes/web01.yml:4:15" in secret("list").out


def test_rotate(secret: Call, root: Path) -> None:
    secret("set", "a", stdin="0123456789")
    secret("set", "key", stdin="-----BEGIN KEY-----\nx\n-----END KEY-----\n")
    assert secret("rotate", "a").out == "a: new value\n"
    rotated = secret("get", "a").out
    assert rotated.isdigit()
    assert (len(rotated), rotated != "0123456789") == (10, True)
    before = files(root)
    said = secret("rotate", "--all")  # a key cannot be made, so nothing is
    assert said.code == ExitCode.SECRET
    assert files(root) == before
    for words in ((), ("a", "--all")):
        assert secret("rotate", *words).code == ExitCode.USAGE


def test_rekey_lets_new_readers_in(secret: Call, run: Run, root: Path) -> None:
    secret("set", "a", stdin="value")
    other = str(root.parent / "other.txt")
    assert secret("init", "--identity", other).code == 0
    assert secret("get", "a", "--identity", other).code == ExitCode.SECRET
    assert secret("rekey", "--identity", other).code == ExitCode.SECRET
    assert secret("rekey").out == "a: encrypted again\n"
    assert secret("get", "a", "--identity", other).out == "value"


def editor(tmp_path: Path, body: str) -> str:
    """A program that does ``body`` with ``file``, and notes where the file was."""
    path = tmp_path / "editor.py"
    path.write_text(
        f"import os, pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text(f'{{file}} {{file.stat().st_mode & 0o777:o}} '"
        f" f'{{file.parent.stat().st_mode & 0o777:o}}')\n{body}\n"
    )
    return f"{sys.executable} {path}"


@pytest.mark.parametrize(
    ("body", "value", "said"),
    [
        ("file.write_text(file.read_text() + ' and new\\n')", "old and new", "a: replaced\n"),
        ("pass", "old", "Nothing changed.\n"),
        ("sys.exit(1)", "old", ""),
    ],
)
def test_edit(secret: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, value: str, said: str) -> None:
    monkeypatch.setattr(safekeeping, "MEMORY", ("", str(tmp_path)))
    monkeypatch.setattr(safekeeping, "_is_memory", lambda _: True)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor(tmp_path, body))
    secret("set", "a", stdin="old")
    assert secret("edit", "a").out == said
    assert secret("get", "a").out == value
    file, mode, folder = (tmp_path / "seen").read_text().split()
    assert (mode, folder) == ("600", "700")
    assert not Path(file).parent.exists()


def test_edit_asks_for_memory(secret: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safekeeping, "MEMORY", ("", "/nowhere"))
    secret("set", "a", stdin="old")
    said = secret("edit", "a", "--json")
    assert said.code == ExitCode.SECRET
    assert "no folder in memory" in said.problems()[0]["brief"]


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="this machine has no /dev/shm")
def test_what_memory_is(tmp_path: Path) -> None:
    assert safekeeping._is_memory(Path("/dev/shm"))
    assert not safekeeping._is_memory(Path("/proc"))


def test_check_tells_of_references_without_an_identity(run: Run, root: Path) -> None:
    said = run("check", "--model-only", "--json", "--model", str(root))
    assert said.code == ExitCode.SECRET
    (problem,) = json.loads(said.err.splitlines()[-1])["problems"]
    assert problem["brief"].startswith("there is no secret 'web/password'")
    assert problem["places"] == [{"file": "nodes/web01.yml", "line": 4, "column": 15}]


def test_what_is_no_text_is_refused(secret: Call) -> None:
    said = secret("set", "a", "--json", stdin=b"\x30\x82\xff")
    assert said.code == ExitCode.USAGE
    assert "no UTF-8 text" in said.problems()[0]["brief"]


def test_edit_asks_nobody_for_what_cannot_be_written(
    secret: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", editor(tmp_path, "pathlib.Path('edited').touch()"))
    monkeypatch.chdir(tmp_path)
    assert "no name of a secret" in secret("edit", "bad name", "--json").problems()[0]["brief"]
    assert not (tmp_path / "edited").exists()


def test_the_environment_names_the_identity(secret: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALTERN_IDENTITY", str(tmp_path / "no-such-identity"))
    secret("set", "a", stdin="value")
    assert str(tmp_path / "no-such-identity") in secret("get", "a", "--json").problems()[0]["brief"]
