"""Packages of the base in the versions of the lock."""

from __future__ import annotations

from collections.abc import Sequence

from saltern.worker import upgrade


class Machine:
    """Answers dpkg and apt."""

    def __init__(self, installed: str, failing: str = "") -> None:
        self.installed = installed
        self.failing = failing
        self.calls: list[str] = []

    def __call__(self, argv: Sequence[str]) -> tuple[int, str]:
        if argv[0] == "dpkg-query":
            return 1, f"{self.installed}dpkg-query: no packages found matching gone\n"
        self.calls.append(" ".join(argv))
        return (100, "E: no such version\n") if self.failing in argv else (0, "")


def test_only_what_is_behind_is_upgraded() -> None:
    machine = Machine("libc6\t1\nxz\t2\n")
    (result,) = upgrade.run({"libc6": "2", "xz": "2", "gone": "1"}, machine)
    assert result["ok"]
    assert result["changes"] == {"libc6": {"old": "1", "new": "2"}}
    assert machine.calls[0] == "apt-get -q update"
    assert machine.calls[1].endswith("install libc6=2")
    assert "--only-upgrade" in machine.calls[1]


def test_nothing_to_do_asks_no_mirror() -> None:
    machine = Machine("libc6\t2\n")
    assert upgrade.run({"libc6": "2"}, machine) == []
    assert machine.calls == []


def test_what_apt_says_is_the_comment() -> None:
    for failing in ("update", "install"):
        (result,) = upgrade.run({"libc6": "2"}, Machine("libc6\t1\n", failing))
        assert (result["ok"], result["changes"], result["comment"]) == (False, {}, "E: no such version")
