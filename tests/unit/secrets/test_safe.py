"""Secrets encrypted in the model: who can read them, and what is said to those who cannot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pyrage
import pytest

from saltern.base.errors import Problem, SecretError
from saltern.secrets.identity import default_identity, make_identity, once, read_identities, recipients_of
from saltern.secrets.safe import Safe
from tests.unit.secrets.conftest import Reader, never_asked


def problem_of(safe: Safe, name: str) -> Problem:
    with pytest.raises(SecretError) as caught:
        safe.read(name)
    (problem,) = caught.value.problems
    return problem


def test_written_for_all_recipients_and_read_by_each(model: Path, alice: Reader, bob: Reader) -> None:
    safe = alice.safe(model)
    assert safe.add_recipient(alice.recipient)
    assert safe.add_recipient(bob.recipient)
    assert not safe.add_recipient(bob.recipient)
    safe.write({"keystone/admin": "s3cr3t ✓\n", "b": "x"})
    assert safe.names == ("b", "keystone/admin")
    assert (
        alice.safe(model).read("keystone/admin") == bob.safe(model).read("keystone/admin") == "s3cr3t ✓"
    )  # age's own input
    text = (model / "secrets/keystone/admin.age").read_text()
    assert text.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert "s3cr3t" not in text


def test_not_a_recipient(model: Path, alice: Reader, bob: Reader) -> None:
    safe = alice.safe(model)
    safe.add_recipient(alice.recipient)
    safe.write({"a": "value"})
    problem = problem_of(bob.safe(model), "a")
    assert problem.brief == "the secret 'a' is not encrypted for your identity"
    assert str(problem.places[0]) == "secrets/a.age"
    assert "rekey" in problem.resolution


def test_damaged(model: Path, alice: Reader) -> None:
    (model / "secrets").mkdir()
    (model / "secrets/a.age").write_text("-----BEGIN AGE ENCRYPTED FILE-----\nnonsense\n")
    assert "cannot be decrypted" in problem_of(alice.safe(model), "a").brief
    (model / "secrets/b.age").write_bytes(
        pyrage.encrypt(b"\xff", [pyrage.x25519.Recipient.from_str(alice.recipient)], armored=True)
    )
    assert problem_of(alice.safe(model), "b").brief == "the secret 'b' is no UTF-8 text"


def test_no_such_secret_and_no_such_name(model: Path, alice: Reader) -> None:
    safe = alice.safe(model)
    assert "saltern secret set a/b" in problem_of(safe, "a/b").resolution
    for name in ("../a", "/a", "a/", "", "a b", "a/../b", ".a", "-a"):
        assert problem_of(safe, name).brief == f"{name!r} is no name of a secret"


def test_a_wrong_name_or_recipient_writes_nothing(model: Path, alice: Reader) -> None:
    safe = alice.safe(model)
    with pytest.raises(SecretError) as caught:
        safe.write({"good": "x"})
    assert "secret init" in caught.value.problems[0].resolution
    safe.add_recipient(alice.recipient)
    with pytest.raises(SecretError):
        safe.write({"good": "x", "../bad": "x"})
    safe.recipients_file.write_text(f"# us\n{alice.recipient}\nage1nonsense\nssh-ed25519 nonsense\n")
    with pytest.raises(SecretError) as caught:
        safe.write({"good": "x"})
    assert [str(p.places[0]) for p in caught.value.problems] == [
        "secrets/recipients.txt:3",
        "secrets/recipients.txt:4",
    ]
    safe.recipients_file.write_text("# nobody\n")
    with pytest.raises(SecretError):
        safe.write({"good": "x"})
    assert safe.names == ()


def test_no_identity(model: Path, tmp_path: Path) -> None:
    safe = Reader(tmp_path / "nobody.txt", "").safe(model)
    (model / "secrets").mkdir()
    (model / "secrets/a.age").write_text("x")
    problem = problem_of(safe, "a")
    assert problem.brief.startswith("no identity to open secrets with")
    assert "SALTERN_IDENTITY" in problem.resolution


def test_an_identity_in_the_model_is_refused(model: Path) -> None:
    make_identity(model / "secrets/key.txt")
    with pytest.raises(SecretError) as caught:
        read_identities(model / "secrets/key.txt", model, never_asked)
    assert "lies in the model" in caught.value.problems[0].brief


def test_an_identity_is_private_and_never_overwritten(tmp_path: Path, alice: Reader) -> None:
    assert alice.identity.stat().st_mode & 0o777 == 0o600
    assert alice.identity.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(SecretError):
        make_identity(alice.identity)
    assert recipients_of(read_identities(alice.identity, tmp_path / "model", never_asked)) == (alice.recipient,)


CLOSED = """\
-----BEGIN AGE ENCRYPTED FILE-----
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBIT1FBOW1mUEpEL3ZPbkZI
MExvdVpRIDIKYjM4QnZHd3IyRlQrSWJiMlRnVE9LekJidnZ3K3ZaWmtrU0wvUHhY
RVdwZwotLS0gZS9LaGowcDBPQ0FyZFJDTkx5WTdMZFdrNUZZd1Z3TU1nSFE2MHl3
NDNiYwrER03tDu3MfOoeyJQ+tJJzbUS3KAl9qgKio6F1pOb+IThrMPAAgO9QIi5l
P8csqeIjuYFpf/QyVBp/Zsw3rK5tbAzFSDS6O9TFaaqbKCy4zElT01ISGhs+p1We
ElVDv7RWVK/STUfABOCvgQ==
-----END AGE ENCRYPTED FILE-----
"""
"""An identity that only this test knows, with a passphrase and four rounds of work: age's own take a second."""
CLOSED_RECIPIENT = "age133zms60qrfjuxcsc8cls55s0h7230lqhp4qyx45y2wdzuvdyheaq8ygan4"


def test_an_identity_with_a_passphrase(model: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed.age"
    closed.write_text(CLOSED)
    asked: list[str] = []

    def ask(what: str) -> str:
        asked.append(what)
        return "open sesame" if len(asked) == 1 else "wrong"

    safe = Safe(model, lambda: read_identities(closed, model, ask))
    safe.add_recipient(CLOSED_RECIPIENT)
    safe.write({"a": "value"})
    assert safe.read("a") == "value"
    assert problem_of(safe, "a").brief == f"that is not the passphrase of {closed}"


def ssh_key(path: Path, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "a@b", "-f", str(path)], check=True)
    return path


def test_a_failure_is_not_tried_again() -> None:
    asked = []

    def read() -> tuple[str, ...]:
        asked.append(1)
        raise SecretError(Problem("wrong passphrase"))

    identities = once(read)
    for _ in range(3):
        with pytest.raises(SecretError, match="wrong passphrase"):
            identities()
    assert asked == [1]


def test_ssh_keys(model: Path, tmp_path: Path) -> None:
    key = ssh_key(tmp_path / "id")
    reader = Reader(key, key.with_suffix(".pub").read_text().strip())
    safe = reader.safe(model)
    safe.add_recipient(reader.recipient)
    assert not safe.add_recipient(reader.recipient)
    safe.write({"a": "value"})
    assert safe.read("a") == "value"
    closed = Reader(ssh_key(tmp_path / "closed", "passphrase"), "").safe(model)
    assert "without a passphrase" in problem_of(closed, "a").resolution


@pytest.mark.parametrize("text", ["", "# only a comment\n", "not a key\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"])
def test_files_that_are_no_identity(model: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(SecretError) as caught:
        read_identities(path, model, never_asked)
    assert str(path) in caught.value.problems[0].brief


def test_where_an_identity_is_looked_for() -> None:
    assert default_identity({"XDG_CONFIG_HOME": "/c"}) == Path("/c/saltern/identity.txt")
    assert default_identity({}) == Path.home() / ".config/saltern/identity.txt"
