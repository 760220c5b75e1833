"""The toolchain in a base without Python: it compiles, applies packages and files, and leaves no trace."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.base.events import silent
from saltern.base.process import LocalRunner
from saltern.base.store import Store
from saltern.formulas.worker import ApplyResult, Context, Worker, apply_request
from saltern.images.base import DEFAULT_BASES, Base, ensure_base
from saltern.images.engine import Engine, Mount, RunSpec
from saltern.images.toolchain import (
    LABEL,
    LABEL_READY,
    PYTHON,
    SHORT,
    Toolchain,
    ensure_toolchain,
    ensure_toolchain_volume,
    serve_spec,
)

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The process runner leaves its pipes to the garbage collector."""

CACHE = Path.home() / ".cache" / "saltern-tests"
SLS = """\
packages:
  pkg.installed:
  - pkgs: [ssl-cert, cron]
/etc/cron.d/mine:
  file.managed:
  - source: salt://web/mine
  - template: jinja
  - user: games
  - mode: '0640'
  - require:
    - pkg: packages
service:
  service.running:
  - name: cron
"""


@pytest.fixture(scope="module", params=sorted(DEFAULT_BASES))
def base(engine: Engine, request: pytest.FixtureRequest) -> Base:
    if engine.name == "docker" and request.param != "debian-12":
        pytest.skip("one engine with all bases is enough")
    return ensure_base(engine, LocalRunner(), Store(CACHE), DEFAULT_BASES[request.param], silent)


@pytest.fixture(scope="module")
def toolchain(engine: Engine, base: Base) -> Toolchain:
    return ensure_toolchain(engine, LocalRunner(), base, CACHE, silent)


@pytest.fixture
def formula(tmp_path: Path) -> Path:
    folder = tmp_path / "formula" / "web"
    folder.mkdir(parents=True)
    (folder / "init.sls").write_text(SLS)
    (folder / "mine").write_text("# {{ pillar.text }} {{ grains.oscodename }}\n")
    return folder.parent


@pytest.fixture
def tag(engine: Engine) -> Iterator[str]:
    tag = f"localhost/worker-test-{secrets.token_hex(3)}:1"
    yield tag
    engine.remove_images([tag])


ADDRESS = {"state": "cmd", "fun": "run", "name": "hostname -i", "__id__": "a", "__sls__": "web", "__env__": "base"}
"""What some maintainer scripts do."""
CONTEXT = Context("web01.example.com", {"text": "hello"}, roots=("/srv/formulas/web",))


def test_compile_freeze_apply_collect(engine: Engine, base: Base, toolchain: Toolchain, formula: Path) -> None:
    spec = serve_spec(toolchain, [Mount(str(formula), "/srv/formulas/web")])
    with Worker(lambda: engine.open(spec)) as worker:
        low = worker.compile(CONTEXT, ["web"])
        assert [chunk.function for chunk in low.chunks] == ["pkg.installed", "file.managed", "service.running"]
        frozen = worker.freeze(CONTEXT, low.chunks[1:2])
        codename = {"debian-12": "bookworm", "debian-13": "trixie"}[base.name]
        assert frozen.chunks[0]["contents"] == f"# hello {codename}\n"
        made = worker.apply(
            CONTEXT, [{**frozen.chunks[0], "name": "/etc/mine"}], out="/srv/out", inspect=["apt-daily", "no"]
        )
    assert made.ok, made.results
    (file,) = [file for file in made.files if file.path == "/etc/mine"]
    assert (file.mode, file.uid) == ("0640", 5)
    assert "games" in made.passwd


def test_build_leaves_only_what_it_should(
    engine: Engine, base: Base, toolchain: Toolchain, formula: Path, tmp_path: Path, tag: str
) -> None:
    with Worker(lambda: engine.open(serve_spec(toolchain, [Mount(str(formula), "/srv/formulas/web")]))) as worker:
        frozen = worker.freeze(CONTEXT, worker.compile(CONTEXT, ["web"]).chunks[:2])
    context = tmp_path / "context"
    (context / "input").mkdir(parents=True)
    (context / "input/request.json").write_text(
        apply_request(Context("web01", {}), [*frozen.chunks, ADDRESS], build=True)
    )
    (context / "Containerfile").write_text(
        f"FROM {base.tag}\n"
        f"RUN --mount=type=bind,from={toolchain.tag},target=/mnt --mount=type=bind,source=input,target=/media"
        f" --mount=type=tmpfs,target=/tmp {' '.join(PYTHON)} apply /media/request.json\n"
    )
    engine.build(context, tag=tag)

    def shell(script: str) -> str:
        done = engine.run(RunSpec(tag, ("/bin/sh", "-c", script)))
        assert done.ok, done.stderr
        return done.stdout

    assert shell("cat /etc/cron.d/mine; stat -c '%U %a' /etc/cron.d/mine").splitlines()[1] == "games 640"
    assert shell("dpkg-query -W -f '${Package} ${Status}' cron") == "cron install ok installed"
    traces = shell(
        "ls -A /mnt /media /tmp | grep -v ':$'; find / -xdev -iname '*salt*' -not -path '/usr/share/saltern*'"
        " -not -path '/proc/*' -not -path '/usr/*' 2>/dev/null;"
        " ls /usr/sbin/policy-rc.d /etc/ssl/private/* 2>/dev/null;"
        " find /var/lib/apt/lists /var/cache/apt /var/log -type f -size +0; cat /etc/machine-id; command -v python3;"
        " ls /etc/passwd- /var/lib/dpkg/*-old 2>/dev/null; true"
    )
    assert traces.split() == []
    sbom = json.loads(shell("cat /usr/share/saltern/sbom.spdx.json"))
    assert {"cron", "libc6"} <= {package["name"] for package in sbom["packages"]}
    assert not sbom["creationInfo"]["created"].startswith("1970")


def test_package_that_does_not_exist(engine: Engine, toolchain: Toolchain, tmp_path: Path) -> None:
    chunk = {"state": "pkg", "fun": "installed", "name": "no-such-package", "__id__": "mine", "__sls__": "web"}
    (tmp_path / "request.json").write_text(apply_request(Context("n", {}), [chunk], build=True))
    mounts = (Mount(toolchain.tag, "/mnt", image=True), Mount(str(tmp_path), "/media"))
    network = "podman" if engine.name == "podman" else "bridge"
    done = engine.run(RunSpec(toolchain.base, (*PYTHON, "apply", "/media/request.json"), mounts, network=network))
    assert done.returncode == 1
    result = ApplyResult.of(json.loads(done.stdout))
    assert result.failed[0].id == "mine"
    assert "no-such-package" in result.failed[0].comment


def test_volume(engine: Engine, toolchain: Toolchain) -> None:
    short = toolchain.key[:SHORT]
    name = ensure_toolchain_volume(engine, toolchain)
    ready = engine.volumes(f"{LABEL_READY}={short}")
    engine.remove_volumes(ready)  # as if it had been killed while it was filled
    spec = RunSpec(toolchain.base, ("/bin/sh", "-c", "rm -rf /v/lib"), (Mount(name, "/v", read_only=False),))
    assert engine.run(spec).ok
    assert ensure_toolchain_volume(engine, toolchain) == name
    assert engine.volumes(f"{LABEL}={short}") == (name,)
    spec = RunSpec(toolchain.base, (*PYTHON[:4], "-c", "import ssl"), (Mount(name, "/mnt", read_only=False),))
    assert engine.run(spec).ok
