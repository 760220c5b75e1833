"""``meta/container.yml`` and ``meta/verify.yml``: what is read, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.base.errors import FormulaError, Problem
from saltern.formulas.metadata import (
    Balancer,
    Check,
    Connection,
    Metadata,
    Probe,
    ProcessHints,
    Reload,
    Volume,
    read_metadata,
)


BALANCER = {
    "members": {"api-1": ["in/api-1", "out/api-1"]},
    "listens": {"5000": ["api-1"]},
    **{word: ["tell", word, "{member}"] for word in ("drain", "idle", "enable", "ready")},
}


def problems(raw: dict[str, Any]) -> list[Problem]:
    with pytest.raises(FormulaError) as caught:
        read_metadata("web01", raw)
    return list(caught.value.problems)


def test_nothing_said() -> None:
    assert read_metadata("web01", {}) == Metadata()
    assert read_metadata("web01", {"web": {}, "db": {"container": None, "verify": {}}}) == Metadata()


def test_everything_said() -> None:
    container = {
        "processes": {
            "web": {
                "command": ["/bin/web", "-x"],
                "user": "www",
                "environment": {"DEBUG": True, "PORT": 80, "NAME": "x"},
                "working_dir": "/srv",
                "capabilities": ["CHOWN"],
                "read_only": False,
                "tmpfs": ["/var/cache/web"],
                "stop_signal": "SIGINT",
                "stop_timeout": 5,
                "ports": [80, 443],
                "probe": {"http": {"port": 80, "path": "/up"}, "timeout": 7},
                "enabled": False,
                "reload": {"folders": ["/etc/web"], "check": ["web", "-t"], "command": ["kill", "-HUP", "1"]},
            }
        },
        "volumes": [{"name": "data", "path": "/srv"}, {"name": "run", "path": "/run/web", "kind": "runtime"}],
        "connects": [{"host": "db", "port": 3306}, {"host": "mq"}, {"host": "mq"}],
        "reaches": [{"host": "app", "port": 80}, {"host": "mq"}, {"host": "db"}, {"host": "app", "port": 80}],
        "phases": {"web_init": "bootstrap"},
    }
    verify = {"checks": [{"name": "answers", "command": ["curl", "web"], "environment": {"A": False}}]}
    got = read_metadata("web01", {"web": {"container": container, "verify": verify}})
    assert got == Metadata(
        processes={
            "web": ProcessHints(
                command=("/bin/web", "-x"),
                user="www",
                environment={"DEBUG": "true", "NAME": "x", "PORT": "80"},
                working_dir="/srv",
                capabilities=("CHOWN",),
                read_only=False,
                tmpfs=("/var/cache/web",),
                stop_signal="SIGINT",
                stop_timeout=5,
                ports=(80, 443),
                probe=Probe("http", 80, "/up", timeout=7),
                enabled=False,
                reload=Reload(("/etc/web",), ("kill", "-HUP", "1"), ("web", "-t")),
            )
        },
        volumes=(Volume("data", "/srv"), Volume("run", "/run/web", "runtime")),
        connects=(Connection("db", 3306), Connection("mq")),
        reaches=(Connection("app", 80), Connection("db")),
        phases={"web_init": "bootstrap"},
        checks=(Check("answers", ("curl", "web"), environment={"A": "false"}),),
    )


@pytest.mark.parametrize(
    ("raw", "probe"),
    [
        ({"tcp": {"port": 1}}, Probe("tcp", 1)),
        ({"http": {"port": 1}}, Probe("http", 1, "/")),
        ({"exec": {"command": ["a", "b"]}, "timeout": 3}, Probe("exec", command=("a", "b"), timeout=3)),
        ({}, None),
    ],
)
def test_probes(raw: dict[str, Any], probe: Probe | None) -> None:
    got = read_metadata("n", {"web": {"container": {"processes": {"web": {"probe": raw}}}}})
    assert got.processes["web"].probe == probe


@pytest.mark.parametrize(
    "reload",
    [
        {"folders": ["/etc/web"]},
        {"command": ["x"]},
        {"folders": [], "command": ["x"]},
        {"folders": ["/etc/web/"], "command": ["x"]},
        {"folders": ["/"], "command": ["x"]},
        {"folders": ["etc"], "command": ["x"]},
        {"folders": ["/etc/web"], "command": []},
    ],
)
def test_a_reload_that_says_too_little(reload: dict[str, Any]) -> None:
    with pytest.raises(FormulaError):
        read_metadata("n", {"web": {"container": {"processes": {"web": {"reload": reload}}}}})


def test_formulas_of_a_node_are_put_together() -> None:
    db = {"processes": {"db": {"ports": [1]}}, "volumes": [{"name": "db", "path": "/db"}], "phases": {"a": "build"}}
    web = {"processes": {"web": {}}, "volumes": [{"name": "w", "path": "/w"}], "phases": {"b": "config"}}
    got = read_metadata("n", {"web": {"container": web}, "db": {"container": db}})
    assert sorted(got.processes) == ["db", "web"]
    assert [v.name for v in got.volumes] == ["db", "w"]
    assert got.phases == {"a": "build", "b": "config"}


@pytest.mark.parametrize(
    ("container", "brief", "resolution"),
    [
        ({"process": {}}, "'process' was unexpected", "known keys: balancer, connects, data_plane, members, phases, processes, reaches, volumes"),
        ({"processes": {"web": {"ports": ["80"]}}}, "processes:web:ports:0: '80' is not of type 'integer'", ""),
        ({"processes": {"web": {"ports": [70000]}}}, "processes:web:ports:0: 70000 is greater", ""),
        ({"processes": {"web": {"command": []}}}, "processes:web:command: [] ", ""),
        (
            {"processes": {"web": {"command": "/bin/web"}}},
            "processes:web:command: '/bin/web' is not of type 'array'",
            "",
        ),
        ({"processes": {"web": {"capabilities": ["cap_chown"]}}}, "processes:web:capabilities:0: 'cap_chown'", ""),
        ({"processes": {"web": {"probe": {"tcp": {}}}}}, "processes:web:probe:tcp: 'port' is a required property", ""),
        ({"volumes": [{"name": "A b", "path": "/x"}]}, "volumes:0:name: 'A b' does not match", ""),
        ({"volumes": [{"name": "a", "path": "x"}]}, "volumes:0:path: 'x' does not match", ""),
        (
            {"volumes": [{"name": "a", "path": "/x", "kind": "disk"}]},
            "volumes:0:kind: 'disk' ",
            "use one of data, runtime, borrowed",
        ),
        ({"balancer": {**BALANCER, "idle": ["idle"]}}, "balancer:idle: ['idle'] does not contain", ""),
        ({"balancer": {**BALANCER, "members": {"a": []}}}, "balancer:members:a: [] should be non-empty", ""),
        ({"balancer": {**BALANCER, "listens": {"http": ["a"]}}}, "balancer:listens: 'http' does not match", ""),
        ({"connects": [{"port": 1}]}, "connects:0: 'host' is a required property", ""),
        ({"reaches": [{"host": "a", "port": 0}]}, "reaches:0:port: 0 is less than", ""),
        ({"reaches": [{"host": "a", "wait": False}]}, "reaches:0: Additional properties", "known keys: host, port"),
        (
            *({"phases": {"a": "later"}}, "phases:a: 'later' is not one of"),
            "use one of build, config, bootstrap, process, host",
        ),
        ([], "[] is not of type 'object'", ""),
    ],
)
def test_refused(container: Any, brief: str, resolution: str) -> None:
    (problem,) = problems({"web": {"container": container}})
    assert problem.brief.startswith("web/meta/container.yml, rendered for web01: ")
    assert brief in problem.brief
    assert problem.resolution == resolution


def test_a_balancer() -> None:
    found = read_metadata("lb", {"haproxy": {"container": {"balancer": BALANCER}}}).balancer
    assert found == Balancer(
        {"api-1": ("in/api-1", "out/api-1")},
        *(("tell", word, "{member}") for word in ("drain", "idle", "enable", "ready")),
        {5000: ("api-1",)},
    )
    assert Balancer.argv(found.drain, "in/api-1") == ("tell", "drain", "in/api-1")
    assert read_metadata("web", {}).balancer is None


def test_all_problems_of_all_formulas_at_once() -> None:
    raw = {
        "web": {"container": {"volumes": [{}]}, "verify": {"checks": [{"name": "x"}]}},
        "db": {"container": {"x": 1}},
    }
    assert [p.brief.split(",")[0] for p in problems(raw)] == [
        "db/meta/container.yml",
        *["web/meta/container.yml"] * 2,
        "web/meta/verify.yml",
    ]
