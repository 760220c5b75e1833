"""docker, through a client that can build with BuildKit.

A client of version 23 or later delegates ``build`` to the buildx plugin; without that plugin it has no BuildKit, and
then ``RUN --mount`` fails. An older client has it built in. So the first usable ``docker`` on the machine is taken.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from saltern.base.errors import EngineError, Problem
from saltern.base.process import Completed, Runner
from saltern.base.store import digest
from saltern.images.engine import LABEL_OWNER, Mount, leftovers
from saltern.images.engine.cli import STOP_SECONDS, CliEngine
from saltern.images.engine.owner import owner

ENVIRONMENT = {"DOCKER_BUILDKIT": "1", "DOCKER_CLI_HINTS": "false"}
PLUGIN_SINCE = 23
"""From this major version of the client on, BuildKit needs the buildx plugin."""
LABEL_IMAGE_VOLUME = "io.saltern.image-volume"
"""Label of the volumes that stand for mounted images; its value is the image."""
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class DockerEngine(CliEngine):
    """:class:`~saltern.images.engine.Engine` over docker (tested with 20.10)."""

    name = "docker"
    package = "docker.io"

    def push(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> str:
        """See :meth:`Engine.push`."""
        done = self._run("push", reference, on_line=on_line)
        if not done.ok:
            raise self._transfer_error(done, f"{reference} cannot be pushed")
        found = _DIGEST.search(done.stdout)
        return found.group(1) if found else ""

    def remove_containers(self, names: Sequence[str]) -> None:
        """See :meth:`Engine.remove_containers`."""
        if names:
            self._call_each("stop", "--time", str(STOP_SECONDS), words=names)
            self._remove_now(names)

    def _remove_now(self, names: Sequence[str]) -> None:
        self._call_each("rm", "--force", "--volumes", words=names)

    def check(self) -> None:
        """Raise an EngineError unless the daemon answers."""
        self._call("version", "--format", "{{.Server.Version}}")

    def _sweep_builds(self) -> tuple[str, ...]:
        leftovers.end_dead_owners_builds()  # the daemon ends a build whose client is gone, and cleans up
        return ()

    def _build_options(self, _annotations: Mapping[str, str]) -> tuple[str, ...]:
        return ("--progress", "plain")

    def _image_mount(self, mount: Mount) -> str:
        """A volume filled from the image: docker before 28 cannot mount an image itself.

        An image that has the tree at ``target`` is derived, and docker copies what an image has at a volume's place
        into that volume when it is new. The tag is given last, so that a half-filled volume is never used.
        """
        found = self.image(mount.source)
        if found is None:
            raise EngineError(Problem(f"docker does not have the image {mount.source}"))
        key = digest(found.id, mount.target)[:16]
        volume, ready = f"saltern-image-{key}", f"localhost/saltern/mounted:{key}"
        if self.image(ready) is None or not self._run("volume", "inspect", volume).ok:
            self._fill(volume, mount, ready)
        return f"type=volume,source={volume},target={mount.target},readonly"

    def _fill(self, volume: str, mount: Mount, ready: str) -> None:
        making = f"{ready}-{os.getpid()}"
        with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
            text = f"FROM scratch\nCOPY --from={mount.source} / {mount.target}/\n"
            (Path(folder) / "Containerfile").write_text(text)
            self.build(Path(folder), tag=making)
        self.remove_volumes([volume])
        self.create_volume(volume, {LABEL_IMAGE_VOLUME: mount.source})
        where = f"type=volume,source={volume},target={mount.target}"
        helper = self._call("create", "--label", f"{LABEL_OWNER}={owner()}", "--mount", where, making, "none")
        self._remove_now([helper.stdout.strip()])
        self.tag(making, ready)
        self.remove_images([making])

    def _explain(self, done: Completed) -> Problem:
        text = done.stderr.lower()
        if "permission denied" in text and "daemon socket" in text:
            return Problem(
                "docker is not permitted for this user",
                details=done.tail(3),
                resolution="add the user to the group docker and log in again, run as root, or use podman",
            )
        if "cannot connect to the docker daemon" in text or "is the docker daemon running" in text:
            return Problem(
                "the docker daemon is not running",
                details=done.tail(3),
                resolution="start it (systemctl start docker), set DOCKER_HOST, or use podman: --engine podman",
            )
        return super()._explain(done)


def prepare(runner: Runner, _cache: Path, paths: Iterable[str] | None = None) -> DockerEngine:
    """A docker that can build and whose daemon answers, or an EngineError that says what is missing."""
    problems = []
    for client in _clients(paths):
        problem = _unfit(runner, client)
        if problem:
            problems.append(problem)
            continue
        engine = DockerEngine(runner, (client,), ENVIRONMENT)
        engine.check()
        return engine
    if not problems:
        raise EngineError(
            Problem(
                "docker is not installed", resolution="install it (Debian: apt-get install docker.io), or use podman"
            )
        )
    raise EngineError(
        Problem(
            "no docker client here can build with BuildKit",
            details="\n".join(problems),
            resolution="install the buildx plugin (docker-buildx-plugin), or Debian 12's docker.io, or use podman",
        )
    )


def _clients(paths: Iterable[str] | None) -> list[str]:
    """Every different ``docker`` on PATH, and Debian's, as the plain name where PATH leads to it anyway."""
    folders = list(paths) if paths is not None else [*os.get_exec_path(), "/usr/bin"]
    found: dict[Path, str] = {}
    for folder in folders:
        path = Path(folder) / "docker"
        if path.is_file() and os.access(path, os.X_OK):
            found.setdefault(path.resolve(), str(path))
    return list(found.values())


def _unfit(runner: Runner, client: str) -> str:
    """Why this client cannot build with BuildKit; "" when it can."""
    version = runner.run([client, "--version"]).stdout
    found = re.search(r"version (\d+)\.", version)
    if not found:
        return f"{client}: unknown version {version.strip()!r}"
    if int(found.group(1)) >= PLUGIN_SINCE and not runner.run([client, "buildx", "version"]).ok:
        return f"{client}: version {found.group(1)} without the buildx plugin"
    return ""
