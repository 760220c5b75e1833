"""Who begins a Galera cluster: what ``formulas/mariadb/mariadb/files/member.sh`` says of data, and its verdict on that."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "formulas/mariadb/mariadb/files/member.sh"
U, V = "6f1c0c1e-0000-11ee-8000-000000000001", "6f1c0c1e-0000-11ee-8000-000000000002"
NONE = "00000000-0000-0000-0000-000000000000"


def bash(script: str, given: str = "", **variables: object) -> str:
    """What a script says that has the functions of the start script."""
    told = "".join(f"{name}={value}\n" for name, value in variables.items())
    argv = ("bash", "-c", f". {SCRIPT}\n{told}{script}")
    environment = {"PATH": "/usr/bin:/bin", "MEMBER_CONFIG": "/nonexistent"}
    done = subprocess.run(argv, input=given, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def verdicts(cases: Sequence[Sequence[str]]) -> list[str]:
    """The verdicts on the answers of the members a, b, c."""
    lines = "".join(f"{member} {answer}\n" for case in cases for member, answer in zip("abc", case, strict=True))
    each = 'while read -r a && read -r b && read -r c; do printf "%s\\n" "$a" "$b" "$c" | verdict; done'
    return bash(each, lines).splitlines()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        # the first deployment: the first member, and only when all are there
        (("new", "new", "new"), "begin a"),
        (("new", "new", ""), "wait for c"),
        (("new", "new", "of another release"), "wait for c"),
        # who serves with a majority is joined, whatever else there is
        ((f"position {U} 900 1", "primary", "primary"), "join b c"),
        (("new", "", "primary"), "join c"),
        # somebody is about to begin, or runs without a majority
        (("starting", f"position {U} 9 1", f"position {U} 8 0"), "wait for a majority at a"),
        # a total crash: the last transaction, and only with all answers
        ((f"position {U} 7 0", f"position {U} 9 0", f"position {U} 8 0"), "begin b"),
        ((f"position {U} 9 0", f"position {U} 10 0", f"position {U} 8 0"), "begin b"),
        ((f"position {U} 7 0", "", f"position {U} 8 0"), "wait for b"),
        # the same one: the first
        ((f"position {U} 7 0", f"position {U} 7 0", f"position {U} 7 0"), "begin a"),
        # who left last in order knows that nobody has more
        ((f"position {U} 7 0", "", f"position {U} 7 1"), "begin c"),
        (("", "", f"position {U} 7 1"), "begin c"),
        ((f"position {U} 8 0", "", f"position {U} 7 1"), "wait for an operator: c may begin, but a"),
        # a claim that was lost never wins over one that was not
        (("new", f"position {U} 0 0", f"position {U} 3 0"), "begin c"),
        (("new", "incomplete", f"position {U} 3 0"), "begin c"),
        # what was put back, wherever it is, and when the first to begin with it was killed at once
        (("filled", "new", "new"), "begin a"),
        (("new", "new", "filled"), "begin c"),
        (("filled", "incomplete", "new"), "begin a"),
        (("filled", "new", ""), "wait for c"),
        # which data is the right one nobody can know
        (("filled", "new", "filled"), "wait for an operator: there is data of no cluster at a c, and one alone"),
        (("filled", "new", f"position {U} 9 0"), "wait for an operator: there is data of no cluster at a, and of one at c"),
        (("filled", "new", f"position {U} 9 1"), "wait for an operator: there is data of no cluster at a, and of one at c"),
        # somebody had data, and who had all of it has nothing: an empty cluster would take the rest
        (("incomplete", "new", "new"), "wait for an operator: no member has complete data; a transfer was broken off at a"),
        (("incomplete", "incomplete", "incomplete"), "wait for an operator: no member has complete data"),
        # two clusters
        ((f"position {U} 7 0", f"position {V} 9 0", "new"), "wait for an operator: the members"),
    ],
)
def test_verdict(answers: tuple[str, ...], expected: str) -> None:
    (found,) = verdicts([answers])
    assert found == expected or (expected.startswith("wait") and found.startswith(expected))


STOPPED = ("new", "filled", "incomplete", f"position {U} 5 0", f"position {U} 5 1", f"position {U} 6 0")
"""What stopped members say, and go on saying. Galera notes one alone as the last that left in order."""


def states() -> Iterator[tuple[str, ...]]:
    for answers in itertools.product(STOPPED, repeat=3):
        if sum(answer.endswith(" 1") for answer in answers) <= 1:
            yield answers


def views(answers: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """What one of the members can get as answers, for each who does not get one from some of the others."""
    for seen in itertools.product((True, False), repeat=3):
        yield tuple(answer if there else "" for answer, there in zip(answers, seen, strict=True))


def test_whoever_hears_whom_never_do_two_begin_nor_one_that_has_less() -> None:
    cases = [(answers, view) for answers in states() for view in views(answers)]
    different = sorted({view for _, view in cases})
    said = dict(zip(different, verdicts(different), strict=True))
    beginners: dict[tuple[str, ...], set[str]] = {}
    for answers, view in cases:
        found = said[view]
        if not found.startswith("begin "):
            assert found.startswith("wait "), (view, found)
            continue
        chosen = found.split()[1]
        beginners.setdefault(answers, set()).add(chosen)
        own = view["abc".index(chosen)].split()
        assert own, f"{view}: {chosen} is to begin, and nobody knows what it has"
        assert "" not in view or own[3:] == ["1"], (view, found)
        # by what anybody can know, no other one's data would be lost
        others = [other.split() for number, other in enumerate(view) if number != "abc".index(chosen) and other]
        kinds = {other[0] for other in others}
        assert not (own[0] == "new" and kinds - {"new"}), (view, found)
        assert not (own[0] == "filled" and kinds & {"filled", "position"}), (view, found)
        assert own[0] != "incomplete"
        assert not (own[0] == "position" and "filled" in kinds), (view, found)
        assert all(int(own[2]) >= int(other[2]) for other in others if other[0] == own[0] == "position"), (view, found)
    assert {len(chosen) for chosen in beginners.values()} == {1}


def test_while_somebody_starts_nobody_begins() -> None:
    said = (*STOPPED, "", "starting")
    cases = [answers for answers in itertools.product(said, repeat=3) if "starting" in answers]
    assert all(found.startswith("wait for a majority at") for found in verdicts(cases))


# ---- what a member says of its data

TABLES = ("mysql", "performance_schema", "sys")


def grastate(uuid: str, seqno: int, safe: int = 0) -> str:
    return f"# GALERA saved state\nversion: 2.1\nuuid:    {uuid}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as it is in the image: the package made the system tables."""
    folder = tmp_path / "data"
    for name in TABLES:
        (folder / name).mkdir(parents=True)
    (folder / "ibdata1").write_text("of the package")
    return folder


def member(data: Path, script: str, recovered: str = f"{NONE}:-1") -> str:
    """What a member does, whose server finds that position in its tables."""
    (data.parent / "run").mkdir(exist_ok=True)
    server = f"mariadbd() {{ echo 'WSREP: Recovered position: {recovered}' >&2; }}"
    return bash(f"{server}\n{script}", data=data, run=data.parent / "run")


def own(data: Path, recovered: str = f"{NONE}:-1") -> str:
    return member(data, "find_own; own", recovered)


def test_what_the_image_has_is_no_data(data: Path) -> None:
    assert own(data) == "new"
    (data / "#innodb_redo").mkdir()
    (data / ".new/keystone").mkdir(parents=True)
    assert own(data) == "new"


def test_databases_that_no_cluster_had_are_data(data: Path) -> None:
    (data / "keystone").mkdir()
    assert own(data) == "filled"
    (data / "grastate.dat").write_text("")
    assert own(data) == "filled"


def test_a_position_is_the_saved_one_or_what_the_server_finds(data: Path) -> None:
    (data / "keystone").mkdir()
    (data / "grastate.dat").write_text(grastate(U, 7, 1))
    assert own(data) == f"position {U} 7 1"
    (data / "grastate.dat").write_text(grastate(U, -1))
    assert own(data, f"{U}:9") == f"position {U} 9 0"
    assert own(data) == "incomplete"
    (data / "grastate.dat").write_text(grastate(NONE, -1))
    assert own(data) == "incomplete"


def test_a_beginning_that_was_killed_stays_full_until_the_server_is_in_the_cluster(data: Path) -> None:
    (data / "keystone").mkdir()
    assert own(data) == "filled"
    member(data, "find_own; begin")
    # the server made a cluster, and was killed before InnoDB had a position in it
    (data / "grastate.dat").write_text(grastate(U, -1))
    assert own(data) == "filled"
    # the next one is another cluster: Galera takes no state for it
    member(data, "find_own; begin")
    assert not (data / "grastate.dat").exists()
    (data / "grastate.dat").write_text(grastate(V, -1))
    member(data, "notify --status joined --primary yes --members a")
    assert own(data) == "filled"
    member(data, "notify --status synced")
    assert own(data, f"{V}:1") == f"position {V} 1 0"


def test_who_begins_with_a_position_keeps_it_when_it_is_killed(data: Path) -> None:
    """Galera takes InnoDB's position away for a moment when a cluster begins."""
    (data / "grastate.dat").write_text(grastate(U, 7))
    member(data, "find_own; begin")
    assert own(data) == f"position {U} 7 1"
    (data / "grastate.dat").write_text(grastate(U, -1))
    assert own(data) == f"position {U} 7 0"
    # what InnoDB has is newer
    assert own(data, f"{U}:12") == f"position {U} 12 0"
    member(data, "notify --status synced --primary yes")
    assert own(data) == "incomplete"


def test_who_joins_may_lose_what_it_had_when_it_began(data: Path) -> None:
    (data / "grastate.dat").write_text(grastate(U, 7))
    member(data, "find_own; begin")
    around = "hostname() { echo a; }; serve() { true; }; decide() { decision='join b'; }; exec() { echo \"$@\"; }"
    said = member(data, f"{around}\nmembers=(a b); start")
    assert said.startswith("mariadbd --wsrep-node-address=a") and "gcomm://b" in said
    (data / "grastate.dat").write_text(grastate(NONE, -1))
    assert own(data) == "incomplete"


INSTALL = """mariadb-install-db() {
  mkdir "${1#*=}/mysql" "${1#*=}/sys"
  echo tables >"${1#*=}/ibdata1"
  [ -z "$killed" ] || exit 0
  echo tables >"${1#*=}/mysql/user"
}
mv() { if [ "$killed" = "moving $1" ]; then exit 0; fi; command mv "$@"; }
"""


@pytest.mark.parametrize("killed", ["installing", "'moving $new/ibdata1'", "'moving $new/mysql'"])
def test_a_first_start_that_was_killed_installs_again(tmp_path: Path, killed: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    moving = killed.startswith("'")
    script = INSTALL.replace('[ -z "$killed" ]', "true") if moving else INSTALL
    told = killed.strip("'").replace("$new", f"{data}/.new")
    bash(f"{script}killed='{told}'\nfind_own; begin", data=data, run=tmp_path)
    assert own(data) == "new"
    bash(f"{INSTALL}killed=\nfind_own; begin", data=data, run=tmp_path)
    assert (data / "mysql/user").read_text() == (data / "ibdata1").read_text() == "tables\n"
    assert (data / "sys").is_dir() and not (data / ".new").exists()
    assert own(data) == "filled"


def test_databases_without_system_tables_get_no_new_ones(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "keystone").mkdir(parents=True)
    bash(f"{INSTALL}killed=\nfind_own; begin", data=data, run=tmp_path)
    assert not (data / "mysql").exists()


# ---- the decision

DECIDE = """
getent() { true; }
ask() { sed -n "s/^$1: *//p" "$run/said"; }
sleep() { SECONDS=$((SECONDS + 2)); }
me=a members=(a b c) limit=5
(find_own; decide; echo "$decision") 2>&1 || true
"""


def decided(data: Path, **others: str) -> str:
    run = data.parent / "run"
    run.mkdir(exist_ok=True)
    (run / "said").write_text("".join(f"{member}: {answer}\n" for member, answer in others.items()))
    return bash(DECIDE, data=data, run=run).splitlines()[-1]


def test_who_has_data_of_its_own_joins_nobody_for_the_price_of_it(data: Path) -> None:
    assert decided(data, b="primary", c="new") == "join b"
    (data / "keystone").mkdir()
    assert decided(data, b="new", c="new") == "begin a"
    assert "wait for an operator: others are a cluster, and to join them would cost the data of a" in decided(
        data, b="primary", c="new"
    )
