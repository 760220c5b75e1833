"""A registry on this machine: Debian's docker-registry, with its data in one folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Problem, RegistryError, UsageError
from saltern.base.process import Service, Starter
from saltern.base.store import write_atomically
from saltern.images.engine.registry_name import is_loopback

PROGRAM = "docker-registry"
CONFIG = "config.yml"
START_SECONDS = 20.0
DRAIN_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """Where it listens, and the folder that has its settings and, in ``data``, the images."""

    host: str
    port: int
    folder: Path

    @classmethod
    def of(cls, address: str, folder: Path) -> Place:
        """From ``host:port``; raises UsageError."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            resolution = "give a host and a port, e.g. 127.0.0.1:5055"
            raise UsageError(Problem(f"{address!r} is no address to listen at", resolution=resolution))
        return cls(host, int(port), folder)

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """What the program says: also of each image that somebody looked for and that it does not have."""
        return self.folder / "log"

    @property
    def is_open(self) -> bool:
        """Whether other machines reach it: it asks nobody for a password."""
        return not is_loopback(f"{self.address}/")


def settings_of(place: Place) -> bytes:
    """The program's configuration."""
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(place.folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": place.address, "draintimeout": f"{DRAIN_SECONDS}s"},
        },
        indent=1,
    ).encode()


def serve(starter: Starter, place: Place, on_ready: Callable[[], None]) -> None:
    """Run the registry until we are interrupted, which is how it ends well.

    Raises RegistryError with everything that keeps it from starting, or when it ends by itself.
    """
    if problems := [*_missing(), *_taken(place), *_unwritable(place.folder)]:
        raise RegistryError(problems)
    write_atomically(place.folder / CONFIG, settings_of(place))
    service = starter.start((PROGRAM, "serve", str(place.folder / CONFIG)), place.log)
    try:
        _await(service, place)
        on_ready()
        service.wait()
    except KeyboardInterrupt:
        return
    finally:
        service.end(DRAIN_SECONDS + 5)
    raise RegistryError(_ended(place, "ended by itself"))


def _await(service: Service, place: Place) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(place):
        if service.ended() or time.monotonic() > deadline:
            raise RegistryError(_ended(place, "ended at once" if service.ended() else "does not answer"))
        time.sleep(0.05)


def _listens(place: Place) -> bool:
    try:
        socket.create_connection((place.host.strip("[]"), place.port), timeout=1).close()
    except OSError:
        return False
    return True


def _ended(place: Place, how: str) -> Problem:
    said = place.log.read_text(errors="replace").splitlines()[-5:]
    return Problem(f"{PROGRAM} {how}", details="\n".join(said), resolution=f"see {place.log}")


def _missing() -> Iterator[Problem]:
    if shutil.which(PROGRAM) is None:
        yield Problem(
            f"the program {PROGRAM} is not there",
            resolution=f"install Debian's package: apt-get install {PROGRAM}",
        )


def _taken(place: Place) -> Iterator[Problem]:
    """Why nobody can listen there."""
    host = place.host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        yield Problem(
            f"{place.address} is taken" if taken else f"nobody can listen at {place.address}: {error.strerror}",
            details="another program listens there" if taken else "",
            resolution="give another address: --address 127.0.0.1:PORT",
        )


def _unwritable(folder: Path) -> Iterator[Problem]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "data").mkdir(exist_ok=True)
    except OSError as error:
        yield Problem(
            f"the folder {folder} cannot be made: {error.strerror}", resolution="give another folder: --folder DIR"
        )
        return
    if not os.access(folder / "data", os.W_OK | os.X_OK) or not os.access(folder, os.W_OK | os.X_OK):
        yield Problem(f"you may not write to {folder}", resolution="give another folder: --folder DIR")
