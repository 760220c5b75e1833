"""The binaries of a real Kubernetes, built once from Debian 12's own source package.

They lie in the user's cache in a folder named by a key: the hash of what decides how they come out. A build that was
ended goes on where it was. The standard library is enough, so that ``tests/cluster/build`` runs on a bare Debian 12.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .debian import PrivateApt, install_missing

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern-tests" / "kubernetes"

SOURCE_VERSION = "1.20.5+really1.20.2-1.1+deb12u1"
VERSION = "v1.20.2"
COMPONENTS = ("kube-scheduler", "kube-controller-manager", "kubelet", "kube-proxy", "kube-apiserver")
INPUTS = ("binaries.py", "debian.py", "service-port-protocol.patch")
PACKAGES = ("golang-1.19-go", "golang-1.19-src", "etcd-server", "conntrack", "kubernetes-client", "busybox-static")
"""Unpacked beside the system: the compiler, and what the cluster runs that is no part of this source package."""
UNPACKED = ("usr/bin/etcd", "usr/sbin/conntrack", "usr/bin/kubectl", "bin/busybox")

BUILD_NEEDS = {"gcc": "gcc", "/usr/include/stdlib.h": "libc6-dev", "dpkg-source": "dpkg-dev", "patch": "patch"}
RUN_NEEDS = {
    "containerd": "containerd",
    "runc": "runc",
    "docker-registry": "docker-registry",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "sysctl": "procps",
    "mount": "mount",
}


@functools.cache
def key() -> str:
    """Names the binaries by all that decides about them."""
    digest = hashlib.sha256(SOURCE_VERSION.encode())
    for name in INPUTS:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]


def folder() -> Path:
    """Where the binaries are, or will be."""
    return CACHE / key()


def complete() -> bool:
    """True when they are there."""
    return (folder() / "complete").exists()


def main(arguments: Sequence[str]) -> int:
    """The command ``tests/cluster/build``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", action="store_true", help="only print the folder of the binaries")
    if not parser.parse_args(arguments).folder and not complete():
        if os.geteuid() != 0:
            parser.error("building installs Debian packages and needs root")
        _give_way()
        with _alone():
            if not complete():
                Build(folder(), CACHE / "work").run()
    sys.stdout.write(f"{folder()}\n")
    return 0


def _give_way() -> None:
    """Take only the time that nobody else wants; where sessions are scheduled as groups, the group's as well."""
    os.nice(19)
    with contextlib.suppress(OSError):
        if os.getpid() == os.getsid(0):
            Path("/proc/self/autogroup").write_text("19")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Build:
    """One build: ``target`` gets the result, ``work`` what may be thrown away, and is at the end."""

    def __init__(self, target: Path, work: Path) -> None:
        self._target = target
        self._work = work
        self._root = work / "root"
        self._source = work / "go" / "src" / "k8s.io" / "kubernetes"
        self._log = target / "build.log"

    def run(self) -> None:
        """Do what is not done yet."""
        begin = time.monotonic()
        for made in (self._target / "bin", self._work / "done", self._work / "tmp", self._work / "out"):
            made.mkdir(parents=True, exist_ok=True)
        install_missing(self._call, BUILD_NEEDS | RUN_NEEDS)
        apt = PrivateApt(self._work, self._call)
        with self._once("packages") as wanted:
            if wanted:
                apt.update()
                apt.unpack(PACKAGES, self._root)
        with self._once(f"source-{key()}") as wanted:
            if wanted:
                self._unpack_source(apt)
        for component in COMPONENTS:
            self._compile(f"k8s.io/kubernetes/cmd/{component}", self._target / "bin" / component)
        for path in UNPACKED:
            shutil.copy2(self._root / path, self._target / "bin")
        self._compile_pause()
        (self._target / "complete").write_text(f"{VERSION} of {SOURCE_VERSION} in {time.monotonic() - begin:.0f} s\n")
        shutil.rmtree(self._work)
        self._say(f"complete after {time.monotonic() - begin:.0f} s")

    def _unpack_source(self, apt: PrivateApt) -> None:
        apt.source("kubernetes", SOURCE_VERSION, self._source)
        # v1.20 refuses a server-side apply of a Service whose port omits the protocol; later versions default it so
        patch = HERE / "service-port-protocol.patch"
        self._call(["patch", "-p1", "-i", str(patch)], cwd=self._source)
        self._generate_openapi()

    def _generate_openapi(self) -> None:
        """Debian's source comes without this generated file, and server-side apply cannot do without it."""
        generator = self._work / "out" / "openapi-gen"
        self._compile("k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen", generator)
        report = self._work / "openapi-violations"
        names = ",".join(f"k8s.io/kubernetes/{name}" for name in self._described_packages())
        header = "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"
        output = ("-p", "k8s.io/kubernetes/pkg/generated/openapi", "-O", "zz_generated.openapi", "-h", header)
        self._call([str(generator), "--logtostderr", "-i", names, *output, "-r", str(report)], cwd=self._source)

    def _described_packages(self) -> list[str]:
        """The Go packages whose types the API server describes to its clients."""
        places = [self._source / "pkg", self._source / "cmd", self._source / "plugin"]
        places += [place.resolve() for place in (self._source / "vendor" / "k8s.io").iterdir()]
        found = set()
        for path in (path for place in places for path in place.rglob("*.go") if "zz_generated" not in path.name):
            if b"+k8s:openapi-gen=" in path.read_bytes():
                found.add(str(path.parent.relative_to(self._source)).replace("staging/src/", "vendor/"))
        foreign = ("code-generator", "sample-apiserver", "kube-openapi", "gengo", "/test", "pkg/generated")
        return sorted(name for name in found if not any(word in name for word in foreign))

    def _compile(self, package: str, output: Path) -> None:
        if output.exists():
            return
        begin = time.monotonic()
        fresh = self._work / "out" / f".{output.name}"
        flags = ("-trimpath", "-ldflags", _linker_flags(), "-o", str(fresh))
        self._call([f"{self._root}/usr/lib/go-1.19/bin/go", "build", *flags, package], cwd=self._source)
        fresh.replace(output)
        self._say(f"built {output.name} in {time.monotonic() - begin:.0f} s")

    def _compile_pause(self) -> None:
        """The program that holds a pod's namespaces, of the same source."""
        output = self._target / "bin" / "pause"
        self._call(["gcc", "-Os", "-static", "-o", str(output), "build/pause/linux/pause.c"], cwd=self._source)

    @contextlib.contextmanager
    def _once(self, step: str) -> Iterator[bool]:
        """Gives False when the step was finished in an earlier run."""
        stamp = self._work / "done" / step
        wanted = not stamp.exists()
        yield wanted
        if wanted:
            self._say(f"{step}: done")
            stamp.touch()

    def _call(self, argv: Sequence[str], cwd: Path | None = None) -> None:
        with self._log.open("a") as log:
            log.write(f"+ {' '.join(argv)}\n")
            log.flush()
            subprocess.run(
                argv, cwd=cwd, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True
            )

    def _environment(self) -> dict[str, str]:
        """For all commands; GOPATH mode, as Debian's vendored source does not build with modules."""
        goroot = self._root / "usr" / "lib" / "go-1.19"
        kept = {"GOPATH": "go", "GOCACHE": "go-cache", "GOTMPDIR": "tmp"}
        places = {"GOROOT": str(goroot), **{name: str(self._work / path) for name, path in kept.items()}}
        switches = {"GO111MODULE": "off", "GOPROXY": "off", "GOSUMDB": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
        debian = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
        return os.environ | places | switches | debian

    def _say(self, text: str) -> None:
        with self._log.open("a") as log:
            log.write(f"= {text}\n")
        sys.stderr.write(f"kubernetes: {text}\n")
        sys.stderr.flush()


def _linker_flags() -> str:
    """What the binaries say about themselves; clients compare these versions."""
    major, minor, _ = VERSION.removeprefix("v").split(".")
    facts = {"gitVersion": VERSION, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    told = [
        f"-X k8s.io/kubernetes/vendor/{package}.{name}={value}" for package in packages for name, value in facts.items()
    ]
    return " ".join(["-s", "-w", *told])
