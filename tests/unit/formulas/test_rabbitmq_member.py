"""Who begins a cluster of RabbitMQ, and whom a first start may join: ``formulas/rabbitmq/rabbitmq/files/member.sh``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "formulas/rabbitmq/rabbitmq/files/member.sh"
HEAD = '{%- from "rabbitmq/map.jinja" import server with context -%}\n'
MEMBERS = ("mq-0.mq-pods", "mq-1.mq-pods", "mq-2.mq-pods")
CONFIG = """listeners.tcp.1 = 0.0.0.0:5672
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = rabbit@mq-0.mq-pods
cluster_formation.classic_config.nodes.2 = rabbit@mq-1.mq-pods
cluster_formation.classic_config.nodes.3 = rabbit@mq-2.mq-pods
cluster_formation.discovery_retry_limit = 1000000
cluster_partition_handling = pause_minority
"""
AROUND = """
hostname() { echo "$host.cluster.local"; }
socat() { while :; do command sleep 0.1; done; }
serves() { [[ " $serve " = *" $1 "* ]]; }
is_new() { [[ " $new " = *" $1 "* ]]; }
sleep() { SECONDS=$((SECONDS + 60)); }
exec() { echo "broker of $me"; cat "${RABBITMQ_CONFIG_FILE:-/dev/null}"; }
start
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The service's home; beside it its configuration, and the script as Salt would render it."""
    text = SCRIPT.read_text()
    assert text.startswith(HEAD)
    text = text.removeprefix(HEAD)
    values = {
        "server.cluster.members | join(' ')": " ".join(MEMBERS),
        "server.bind.port": "5672",
        "server.cluster.get('port', 25673)": "25673",
        "server.home": str(tmp_path / "home"),
        "server.config_dir": str(tmp_path),
    }
    for expression, value in values.items():
        text = text.replace(f"{{{{ {expression} }}}}", value)
    assert not any(mark in text for mark in ("{{", "{%", "{#"))
    (tmp_path / "member.sh").write_text(text)
    (tmp_path / "rabbitmq.conf").write_text(CONFIG)
    found = tmp_path / "home"
    found.mkdir()
    return found


def start(home: Path, host: str, *, serve: str = "", new: str = "", code: int = 0) -> str:
    """What the start of a member says, where the members of ``serve`` are brokers and those of ``new`` wait."""
    told = "".join(f"{name}='{value}'\n" for name, value in {"host": host, "serve": serve, "new": new}.items())
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(home)}
    argv = ("bash", "-c", f". {home.parent}/member.sh\n{told}{AROUND}")
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def nodes(said: str) -> list[str]:
    """The peers in the configuration of a broker."""
    return [line.partition("= rabbit@")[2] for line in said.splitlines() if "classic_config.nodes" in line]


def data(home: Path, number: int, **files: str) -> Path:
    folder = home / f"mnesia/rabbit@{MEMBERS[number]}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_the_first_begins_alone_when_all_others_have_nothing(home: Path) -> None:
    said = start(home, "mq-0", new=" ".join(MEMBERS[1:]))
    assert nodes(said) == [MEMBERS[0]]
    assert "listeners.tcp.1 = 0.0.0.0:5672" in said
    said = start(home, "mq-0", new=MEMBERS[1], code=1)
    assert said.endswith("waits for mq-2.mq-pods, 300 s already\n")


def test_any_other_one_waits_and_joins_only_those_that_serve(home: Path) -> None:
    said = start(home, "mq-1", new=f"{MEMBERS[0]} {MEMBERS[2]}", code=1)
    assert said.endswith("waits for mq-0.mq-pods, 300 s already\n")
    said = start(home, "mq-1", serve=MEMBERS[2], new=MEMBERS[0])
    assert nodes(said) == [MEMBERS[1], MEMBERS[2]]
    # what it cannot join it tries again, or it would begin a cluster of its own
    assert "cluster_formation.discovery_retry_limit = 1000000" in said
    said = start(home, "mq-0", serve=" ".join(MEMBERS[1:]))
    assert nodes(said) == [*MEMBERS]


@pytest.mark.parametrize(
    "files",
    [
        {"cluster_nodes__config": "{['rabbit@mq-1.mq-pods'],['rabbit@mq-1.mq-pods']}.", "coordination": ""},
        # 4.0 makes a schema of itself alone, and removes it before it joins
        {"schema__DAT": "\0\1rabbit@mq-1.mq-pods\0", "cluster_nodes__config": "{['rabbit@mq-1.mq-pods'],[]}."},
    ],
)
def test_who_never_joined_is_without_data(home: Path, files: dict[str, str]) -> None:
    folder = data(home, 1, **files)
    assert "has no data and waits for mq-0" in start(home, "mq-1", code=1)
    assert folder.exists()
    assert nodes(start(home, "mq-1", serve=MEMBERS[0])) == [MEMBERS[1], MEMBERS[0]]
    assert not folder.exists(), "it would begin a cluster with that schema"


@pytest.mark.parametrize(
    "files",
    [
        {"msg_stores": "", "schema__DAT": "rabbit@mq-1.mq-pods"},
        # Khepri has no schema
        {"msg_stores": "", "coordination": ""},
        # joined, and killed before it had stores
        {"schema__DAT": "\0\1rabbit@mq-1.mq-pods\0rabbit@mq-0.mq-pods\0"},
        {"cluster_nodes__config": "{['rabbit@mq-1.mq-pods','rabbit@mq-2.mq-pods'],['rabbit@mq-1.mq-pods']}."},
    ],
)
def test_a_member_waits_for_nobody_and_keeps_what_it_has(home: Path, files: dict[str, str]) -> None:
    folder = data(home, 1, **files)
    assert start(home, "mq-1") == "broker of mq-1.mq-pods\n"
    assert len(list(folder.iterdir())) == len(files)


def test_another_machine_is_no_member(home: Path) -> None:
    assert start(home, "web-0", code=1).startswith("web-0.cluster.local is none of the members mq-0.mq-pods")
