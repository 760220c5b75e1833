"""The toolchain: a relocatable Python of the base's Debian release, lean Salt and the worker, as an image.

It is mounted at /mnt where Salt is needed and is never part of a result; ``docs/explanation/worker.md`` has the why.
Wheels are fetched outside of containers, by hash; nothing but Debian's own packages is fetched inside.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import saltern
from saltern.base.errors import EngineError, ImageError, Problem
from saltern.base.events import Emit, Event, State
from saltern.base.process import Runner
from saltern.base.store import digest, exclusive
from saltern.images.base import Base
from saltern.images.engine import Engine, Mount, RunSpec
from saltern.images.engine.leftovers import OUR_IMAGES

STAGE = "toolchain"
LABEL = "io.saltern.toolchain"
"""Label of toolchain images and volumes; its value is the toolchain's key."""
LABEL_READY = "io.saltern.toolchain.ready"
"""Label of the empty volumes that say that the toolchain volume beside them is complete."""
MOUNT_POINT = "/mnt"
TOOLCHAIN = "toolchain-"
INSTALLER = "installer-"
PYTHON = (f"{MOUNT_POINT}/bin/python3", "-I", "-S", "-B", f"{MOUNT_POINT}/worker")
"""How the worker is started in a container; ``serve`` or ``apply REQUEST.json`` follow."""
SHORT = 12
EFFECT = "2"
"""To be raised when a change of the worker shall give other images; see docs/decisions/002-toolchain-keys.md."""
MACHINES: Mapping[str, tuple[str, ...]] = {
    "12": ("3.11", "36"),
    "13": ("3.13", "41"),
}
"""Debian release → its Python, and the minor version of its C library: which wheels run there."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A toolchain image that the engine has."""

    tag: str
    key: str
    """Identity of the image: a change of any worker source gives another one."""
    build_key: str
    """What of it can change a built image: Salt, its libraries, the base, and :data:`EFFECT`."""
    base: str
    """Tag of the base that it fits to."""


def worker_folder() -> Path:
    """The worker's sources."""
    return Path(saltern.__file__).parent / "worker"


def locks_folder() -> Path:
    """The locks and the recipe of the toolchain: in the installed package, or in the source tree."""
    package = Path(saltern.__file__).parent
    bundled = package / "_bundled" / "toolchain"
    return bundled if bundled.is_dir() else package.parents[1] / "requirements" / "toolchain"


def release_of(base: Base) -> str:
    """The Debian release (``12``) of a base.

    Raises:
        ImageError: for a release without a lock.
    """
    release = base.packages.get("base-files", "").partition(".")[0].partition("+")[0]
    if release not in MACHINES:
        raise ImageError(
            Problem(
                f"base {base.name!r} is no Debian release that Saltern has a Salt toolchain for",
                details=f"its package base-files has version {base.packages.get('base-files', '(none)')}",
                resolution=f"use a base of Debian {' or '.join(MACHINES)}",
            )
        )
    return release


def build_key(base: Base) -> str:
    """See :attr:`Toolchain.build_key`."""
    python = MACHINES[release_of(base)][0]
    return digest(EFFECT, base.digest, *(_lock(name) for name in ("salt", _tag_of(python))))


def toolchain_key(base: Base) -> str:
    """See :attr:`Toolchain.key`."""
    recipe = (locks_folder() / "relocate.sh").read_bytes()
    return digest(build_key(base), recipe, _containerfile("", "", ""), *_worker_sources())


def local_key() -> str:
    """What a worker on this machine compiles depends on: its sources, Salt, the Python, and the release it tells."""
    release = platform.freedesktop_os_release()
    told = [f"{key}={value}" for key, value in sorted(release.items())]
    return digest("local", _lock("salt"), _lock(_local_lock()), sys.version, *told, *_worker_sources())


def _worker_sources() -> list[str | bytes]:
    return [part for path in _worker_files() for part in (path.name, path.read_bytes())]


def ensure_toolchain(engine: Engine, runner: Runner, base: Base, cache: Path, emit: Emit) -> Toolchain:
    """The toolchain of a base, built when the engine does not have it; a second call costs one inspect.

    Raises:
        ImageError: when wheels cannot be fetched or the image cannot be built.
    """
    key = toolchain_key(base)
    tag = f"{OUR_IMAGES}{TOOLCHAIN}{base.name}:{key[:SHORT]}"
    started = time.monotonic()
    if engine.image(tag) is None:
        engine.refuse_unbuilt([tag])
        emit(Event(STAGE, base.name, State.STARTED, "make the Salt toolchain"))
        site = fetch_site_packages(runner, cache, release_of(base))
        emit(Event(STAGE, base.name, State.PROGRESS, "relocate Python"))
        with tempfile.TemporaryDirectory(prefix="toolchain-", dir=cache) as folder:
            write_context(Path(folder), base, site, key)

            def tell(line: str) -> None:
                emit(Event(STAGE, base.name, State.PROGRESS, line))

            engine.build(Path(folder), tag=tag, on_line=tell)
        emit(Event(STAGE, base.name, State.DONE, tag, time.monotonic() - started))
    else:
        emit(Event(STAGE, base.name, State.CACHED, tag))
    return Toolchain(tag, key, build_key(base), base.tag)


def write_context(folder: Path, base: Base, site: Path, key: str) -> None:
    """Write what the image is built from."""
    shutil.copytree(site, folder / "site-packages", symlinks=True)
    (folder / "worker").mkdir()
    for path in _worker_files():
        shutil.copyfile(path, folder / "worker" / path.name)
    shutil.copyfile(locks_folder() / "relocate.sh", folder / "relocate.sh")
    python = MACHINES[release_of(base)][0]
    (folder / "Containerfile").write_text(_containerfile(base.tag, python, key), encoding="utf-8")


def _containerfile(base: str, python: str, key: str) -> str:
    return (
        f"FROM {base} AS made\n"
        "COPY relocate.sh /relocate.sh\n"
        "COPY site-packages /toolchain/site-packages\n"
        f"RUN sh /relocate.sh {python} /toolchain\n"
        "COPY worker /toolchain/worker\n"
        "RUN PYTHONHASHSEED=0 /toolchain/bin/python3 -S -m compileall -q --invalidation-mode unchecked-hash"
        " -s /toolchain -p /mnt /toolchain/worker\n"
        "FROM scratch\n"
        "COPY --from=made /toolchain/ /\n"
        f"LABEL {LABEL}={key}\n"
    )


def _worker_files() -> list[Path]:
    return sorted(worker_folder().glob("*.py"))


# ---- where it is used


def serve_spec(toolchain: Toolchain, mounts: Sequence[Mount] = (), image: str = "") -> RunSpec:
    """A network-less helper container of ``image`` (default: the base) in which a warm worker serves.

    ``mounts`` bring the formulas.
    """
    return RunSpec(
        image=image or toolchain.base,
        command=(*PYTHON, "serve"),
        mounts=(Mount(toolchain.tag, MOUNT_POINT, image=True), *mounts),
        tmpfs=("/tmp",),  # noqa: S108 - in the container
    )


def ensure_toolchain_volume(engine: Engine, toolchain: Toolchain) -> str:
    """The named volume that shows the toolchain to running containers; filled when it is new.

    A second, empty volume says that the first is complete: killed in between, the next call fills it again. Filling
    replaces file by file, so that a container that runs from it is not disturbed.
    """
    short = toolchain.key[:SHORT]
    name, ready = f"saltern-toolchain-{short}", f"saltern-ready-{short}"
    if name in engine.volumes(f"{LABEL}={short}") and ready in engine.volumes(f"{LABEL_READY}={short}"):
        return name
    engine.create_volume(name, {LABEL: short})
    mounts = (Mount(toolchain.tag, MOUNT_POINT, image=True), Mount(name, "/media", read_only=False))
    done = engine.run(RunSpec(toolchain.base, (*PYTHON, "install", "/media"), mounts))
    if not done.ok:
        raise EngineError(Problem(f"the volume {name} cannot be filled with the Salt toolchain", details=done.tail()))
    engine.create_volume(ready, {LABEL_READY: short})
    return name


def pushed_as(tag: str, place: str) -> str:
    """Where a registry has an image; ``place`` (``<registry>/<cloud>``) is for those that an engine keeps for us.

    A cluster mounts no image, so that the toolchain is there as the installer.
    """
    name = tag.removeprefix(OUR_IMAGES)
    return tag if name == tag else f"{place}/{name.replace(TOOLCHAIN, INSTALLER, 1)}"


def ensure_installer(engine: Engine, toolchain: Toolchain, tag: str) -> None:
    """Make the image that brings the toolchain to where no image can be mounted, unless the engine has it as ``tag``.

    The toolchain alone does not run: the C library is the base's.
    """
    if engine.image(tag) is None:
        with tempfile.TemporaryDirectory(prefix="installer-") as folder:
            copy = f"COPY --from={toolchain.tag} / {MOUNT_POINT}/"
            recipe = f"FROM {toolchain.base}\n{copy}\nLABEL {LABEL}={toolchain.key}\n"
            (Path(folder) / "Containerfile").write_text(recipe, encoding="utf-8")
            engine.build(Path(folder), tag=tag)


def local_command(site: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and the environment of a worker on this machine, with the operator's Python."""
    return (sys.executable, "-I", "-S", "-B", str(worker_folder()), "serve"), {"SALTERN_SITE_PACKAGES": str(site)}


# ---- wheels


def fetch_site_packages(runner: Runner, cache: Path, release: str) -> Path:
    """Salt and its libraries for the Python of a Debian release, unpacked below ``cache``; fetched once."""
    python, glibc = MACHINES[release]
    platforms = [f"manylinux_2_{minor}_{_machine()}" for minor in range(int(glibc), 16, -1)]
    options = ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
    options += [word for platform in (*platforms, f"manylinux2014_{_machine()}") for word in ("--platform", platform)]
    return _site_packages(runner, cache, _tag_of(python), options)


def local_site_packages(runner: Runner, cache: Path) -> Path:
    """The same for this machine's own Python (``--worker local``), compiled so that it starts fast."""
    return _site_packages(runner, cache, _local_lock(), ["--only-binary", ":all:"], f"local-{sys.version_info.minor}")


def _local_lock() -> str:
    return "cp311" if sys.version_info < (3, 13) else "cp313"


def _site_packages(runner: Runner, cache: Path, lock: str, options: Sequence[str], name: str = "") -> Path:
    key = digest(_lock("salt"), _lock(lock), _lock("build"), *options)[:SHORT]
    folder = cache / "toolchain" / f"{name or lock}-{key}"
    with exclusive(folder):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as making:
                _fetch(runner, folder.parent, Path(making), lock, options)
                if name:
                    _pip(runner, [sys.executable, "-m", "compileall", "-q", "-j", "0", f"{making}/site"], check=False)
                (Path(making) / "site").rename(folder)
    return folder


def _fetch(runner: Runner, cache: Path, folder: Path, lock: str, options: Sequence[str]) -> None:
    """Download by hash, then unpack without an index."""
    locked = ["--no-deps", "--require-hashes", "--disable-pip-version-check", "-q"]
    pip = [sys.executable, "-m", "pip"]
    wheels = folder / "wheels"
    _pip(runner, [*pip, "download", *locked, *options, "-r", str(_path(lock)), "-d", str(wheels)])
    salt = _salt_wheel(runner, cache, folder, pip, locked)
    install = ["install", "-q", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check"]
    target = ["--target", str(folder / "site"), *(options if "--platform" in options else ())]
    _pip(runner, [*pip, *install, *target, str(salt), *map(str, sorted(wheels.glob("*.whl")))])
    _trim(folder / "site")


def _salt_wheel(runner: Runner, cache: Path, folder: Path, pip: Sequence[str], locked: Sequence[str]) -> Path:
    """Salt is published as source only; its wheel is pure Python, made once, with locked build requirements."""
    kept = cache / f"salt-{digest(_lock('salt'), _lock('build'))[:SHORT]}"
    if not any(kept.glob("*.whl")):
        tools, made = folder / "tools", folder / "salt"
        _pip(runner, [*pip, "install", *locked, "--no-compile", "--target", str(tools), "-r", str(_path("build"))])
        wheel = [*pip, "wheel", *locked, "--no-build-isolation", "-r", str(_path("salt")), "-w", str(made)]
        _pip(runner, wheel, {"PYTHONPATH": str(tools)})
        if kept.exists():
            shutil.rmtree(kept)
        made.rename(kept)
    return next(kept.glob("*.whl"))


def _trim(site: Path) -> None:
    """Remove what is never imported."""
    for pattern in ("bin", "**/tests", "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h"):
        for path in list(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _pip(runner: Runner, argv: Sequence[str], env: Mapping[str, str] | None = None, *, check: bool = True) -> None:
    done = runner.run(argv, env=env)
    if check and not done.ok:
        raise ImageError(
            Problem(
                "the Salt toolchain cannot be fetched: pip failed",
                details=f"command: {' '.join(argv)}\n{done.tail()}",
                resolution="check that pip can reach its package index (pip config list), then run again",
            )
        )


def _tag_of(python: str) -> str:
    return f"cp{python.replace('.', '')}"


def _path(lock: str) -> Path:
    return locks_folder() / f"{lock}.lock"


def _lock(name: str) -> bytes:
    return _path(name).read_bytes()


def _machine() -> str:
    return os.uname().machine
