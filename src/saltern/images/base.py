"""Base images: bootstrapped with mmdebstrap, or derived from a registry reference; the same for both engines.

A base is Debian's minimum without docs, man pages, locales and package lists, and with apt set to take no recommended
packages. Nothing of the operator's machine is in it: no proxy, no certificate, no resolver, no host name.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import ImageError, ModelError, Problem
from saltern.base.events import Emit, Event, State
from saltern.base.process import Completed, Runner
from saltern.base.store import Store, canonical, digest, exclusive
from saltern.images.engine import Engine, RunSpec
from saltern.images.engine.cli import NO_SPACE
from saltern.images.engine.leftovers import OUR_IMAGES

STAGE = "base"
LABEL_BASE_NAME = "io.saltern.base.name"
LABEL_BASE_DIGEST = "io.saltern.base.digest"
DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"
EPOCH = "1672531200"
"""Newer file times are clamped to this one, so that the same packages give the same bytes (SOURCE_DATE_EPOCH)."""
FORMAT = "1"
"""Part of a base's key; to be raised when the same spec shall give another tree."""

APT_OPTIONS = ('APT::Install-Recommends "false"', 'APT::Install-Suggests "false"')
DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)
CLEAN = (
    'rm -f "$1"/etc/hostname "$1"/etc/resolv.conf "$1"/var/cache/ldconfig/aux-cache "$1"/var/cache/debconf/*-old '
    '"$1"/var/lib/dpkg/*-old && : >"$1"/etc/machine-id && find "$1"/var/log -type f -delete'
)
"""What mmdebstrap copies from the operator's machine, or what differs from one bootstrap to the next."""


@dataclass(frozen=True, slots=True)
class BaseSpec:
    """What the model says of a base: ``bootstrap`` (a Debian suite) or ``image`` (a registry reference), not both."""

    name: str
    bootstrap: str = ""
    image: str = ""
    mirror: str = DEBIAN
    security_mirror: str = DEBIAN_SECURITY

    @property
    def key(self) -> str:
        """Identity of the request (not of the result, see :attr:`Base.digest`)."""
        what = [FORMAT, self.bootstrap, self.image, self.mirror, self.security_mirror]
        return digest(canonical([what, APT_OPTIONS, DPKG_OPTIONS, CLEAN, EPOCH]))

    @property
    def tag(self) -> str:
        """Where the engine keeps the base."""
        return f"{OUR_IMAGES}base-{self.name}:{self.key[:12]}"

    def sources(self) -> tuple[str, ...]:
        """The one-line apt sources of a bootstrapped base."""
        security = f"deb {self.security_mirror} {self.bootstrap}-security main"
        return (
            f"deb {self.mirror} {self.bootstrap} main",
            f"deb {self.mirror} {self.bootstrap}-updates main",
            security,
        )


DEFAULT_BASES: Mapping[str, BaseSpec] = {
    "debian-12": BaseSpec("debian-12", bootstrap="bookworm"),
    "debian-13": BaseSpec("debian-13", bootstrap="trixie"),
}


@dataclass(frozen=True, slots=True)
class Base:
    """A base that the engine has."""

    name: str
    tag: str
    digest: str
    """``sha256:…`` of the root file system's tar, or over what a derived base is made from: equal for both engines."""
    packages: Mapping[str, str]
    """Name → version of what is installed in it."""


def ensure_base(engine: Engine, runner: Runner, store: Store, spec: BaseSpec, emit: Emit) -> Base:
    """The base of ``spec``, made when the engine does not have it; a second call costs one inspect.

    Raises ImageError when it cannot be bootstrapped, RegistryError when it cannot be pulled.
    """
    started = time.monotonic()
    found = engine.image(spec.tag)
    if found is None or LABEL_BASE_DIGEST not in found.labels:
        engine.refuse_unbuilt([spec.tag])
        emit(Event(STAGE, spec.name, State.STARTED, f"make base image {spec.tag}"))
        try:
            identity = _make(engine, runner, store, spec, emit)
        except BaseException:
            emit(Event(STAGE, spec.name, State.FAILED, seconds=time.monotonic() - started))
            raise
        emit(Event(STAGE, spec.name, State.DONE, identity, time.monotonic() - started))
    else:
        identity = found.labels[LABEL_BASE_DIGEST]
        emit(Event(STAGE, spec.name, State.CACHED, identity))
    return Base(spec.name, spec.tag, identity, _packages(engine, store, spec.tag, identity))


def _make(engine: Engine, runner: Runner, store: Store, spec: BaseSpec, emit: Emit) -> str:
    if bool(spec.bootstrap) == bool(spec.image):
        raise ModelError(
            Problem(
                f"base {spec.name!r} needs either `bootstrap` or `image`",
                resolution="give a Debian suite (bootstrap: bookworm) or an image reference (image: …)",
            )
        )
    if spec.image:
        return _derive(engine, spec, emit)
    tar = store.path("bases", f"{spec.key}.tar")
    with exclusive(tar):
        if not tar.exists():
            _bootstrap(runner, spec, tar, emit)
        identity = f"sha256:{_sha256(tar)}"
        changes = [f"LABEL {key}={value}" for key, value in _labels(spec, identity).items()]
        engine.import_rootfs(tar, tag=spec.tag, changes=[*changes, 'CMD ["/bin/sh"]'])
    return identity


def _labels(spec: BaseSpec, identity: str) -> dict[str, str]:
    return {LABEL_BASE_NAME: spec.name, LABEL_BASE_DIGEST: identity}


def _bootstrap(runner: Runner, spec: BaseSpec, tar: Path, emit: Emit) -> None:
    with tempfile.TemporaryDirectory(prefix=".bootstrap-", dir=tar.parent) as folder:
        new = Path(folder) / "root.tar"
        argv = ["mmdebstrap", "--variant=minbase", "--format=tar", "--skip=output/dev"]
        argv += [f"--aptopt={option}" for option in APT_OPTIONS]
        argv += [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
        argv += [f"--customize-hook={CLEAN}", spec.bootstrap, str(new), *spec.sources()]

        def tell(line: str) -> None:
            if line.startswith("I: "):
                emit(Event(STAGE, spec.name, State.PROGRESS, line.removeprefix("I: ")))

        done = runner.run(argv, env={"SOURCE_DATE_EPOCH": EPOCH, "TMPDIR": folder, "LC_ALL": "C"}, on_line=tell)
        if not done.ok:
            raise ImageError(_bootstrap_problem(spec, done))
        new.replace(tar)


def _bootstrap_problem(spec: BaseSpec, done: Completed) -> Problem:
    brief, resolution = f"base {spec.name!r} cannot be bootstrapped", "see the last lines of mmdebstrap above"
    text = (done.stderr + done.stdout).lower()
    if done.returncode == 127:
        brief += ": mmdebstrap is not installed"
        resolution = "install it (Debian: apt-get install mmdebstrap), or name an image for the base in saltern.yml"
    elif NO_SPACE in text:
        brief, resolution = f"{brief}: the disk is full", "free space in the cache directory (it may be deleted)"
    elif "could not resolve" in text or "unable to connect" in text or "failed to fetch" in text:
        brief += f": {spec.mirror} cannot be reached"
        resolution = "check the network, or set another `mirror` for the base in saltern.yml"
    return Problem(brief, details=done.tail(), resolution=resolution)


def _derive(engine: Engine, spec: BaseSpec, emit: Emit) -> str:
    """Our apt and dpkg settings over an image of somebody else."""
    if engine.image(spec.image) is None:
        emit(Event(STAGE, spec.name, State.PROGRESS, f"pull {spec.image}"))
        engine.pull(spec.image)
    origin = engine.image(spec.image)
    if origin is None:
        raise ImageError(Problem(f"base {spec.name!r}: {spec.image} is not there after it was pulled"))
    apt = "\\n".join(f"{option};" for option in APT_OPTIONS)
    dpkg = "\\n".join(DPKG_OPTIONS)
    text = (
        f"FROM {spec.image}\nUSER 0:0\n"
        f"RUN printf '{apt}\\n' >/etc/apt/apt.conf.d/99saltern"
        f" && printf '{dpkg}\\n' >/etc/dpkg/dpkg.cfg.d/99saltern"
        " && mkdir -p /mnt /media && rm -rf /var/lib/apt/lists/*\n"
    )
    identity = f"sha256:{digest(origin.id, text)}"
    labels = "".join(f"LABEL {key}={value}\n" for key, value in _labels(spec, identity).items())
    with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
        (Path(folder) / "Containerfile").write_text(f'{text}{labels}ENTRYPOINT []\nCMD ["/bin/sh"]\n')
        engine.build(Path(folder), tag=spec.tag)
    return identity


def _packages(engine: Engine, store: Store, tag: str, identity: str) -> dict[str, str]:
    known = store.get_json("base-packages", identity.removeprefix("sha256:"))
    if isinstance(known, dict):
        return known
    listing = "${db:Status-Abbrev}\t${Package}\t${Version}\n"
    done = engine.run(RunSpec(tag, ("dpkg-query", "-W", "-f", listing)))
    if not done.ok:
        raise ImageError(
            Problem(
                f"the base {tag} is not a Debian system: dpkg-query fails in it",
                details=done.tail(5),
                resolution="use a base of Debian, or of a distribution that is made from it",
            )
        )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    packages = {name: version for status, name, version in rows if status.startswith("ii")}
    store.put_json("base-packages", identity.removeprefix("sha256:"), packages)
    return packages


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
