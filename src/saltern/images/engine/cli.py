"""What podman and docker have in common: plain CLI calls, their JSON read, their failures explained.

The two sibling modules override only what the engines really do in different ways.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from saltern.base.errors import EngineError, ImageError, Problem, RegistryError, SalternError
from saltern.base.process import STUCK, Completed, Pipe, Runner
from saltern.images.engine import LABEL_OWNER, Container, Image, Mount, RunSpec
from saltern.images.engine.answers import network_of, only_missing, read_address, read_container, read_image
from saltern.images.engine.leftovers import OWNER_VARIABLE, build_processes, end_builds
from saltern.images.engine.owner import is_alive, owner
from saltern.images.engine.starting import HelperPipe, environment_words, handed_over, mount_text, run_words

NO_SPACE = "no space left on device"
STOP_SECONDS = 30
DISCARD_TRIES = 10
DISCARD_PAUSE = 0.2
BUILD_TRIES = 3
BUILD_SILENCE = 900.0
"""Seconds without a line after which a build is taken for stuck: of Salt's states only their beginnings are seen, and
a state that installs much from a slow mirror may take minutes; but a step that lost its network ends after hours."""
LOOKUP_LOST = "checking if cached image exists from a previous build"
"""podman's build says it when an image goes (somebody prunes) while it looks through its cache; no step has failed."""
LIST_TRIES = 3
LIST_PAUSE = 0.5
_OWN_FAILURES = (125, 126, 127)
"""Return codes with which both engines report their own failure to start a container, not the command's."""


class CliEngine:
    """:class:`~saltern.images.engine.Engine` over a command line."""

    name = ""
    builds = True
    package = ""
    """Debian's package of it."""
    way_out = "bridge"

    def __init__(self, runner: Runner, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.argv = tuple(argv)
        self.environment: Mapping[str, str] = dict(environment or {})
        self._runner = runner
        self._count = itertools.count(1)

    # ---- images

    def refuse_unbuilt(self, missing: Sequence[str]) -> None:
        """See :meth:`Engine.refuse_unbuilt`: they are made."""

    def build(
        self,
        context: Path,
        *,
        tag: str,
        annotations: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> str:
        """See :meth:`Engine.build`; a step that fails, or a full disk, is an ImageError."""
        with tempfile.TemporaryDirectory(prefix="saltern-") as folder:
            result = Path(folder) / "id"
            words = ("build", *self._build_options(annotations or {}), "--iidfile", str(result), "-t", tag)
            for _ in range(BUILD_TRIES):
                done = self._runner.run(
                    (*self.argv, *words, "-f", str(context / "Containerfile"), str(context)),
                    env={**self.environment, OWNER_VARIABLE: owner()},
                    silence=BUILD_SILENCE,
                    on_line=on_line,
                )
                if done.returncode == STUCK:
                    self._sweep_builds()
                elif done.ok or LOOKUP_LOST not in done.stderr:
                    break
            if done.ok and result.exists():
                return result.read_text().strip().removeprefix("sha256:")
        if done.ok or done.returncode < 0:  # a podman that gets a SIGTERM returns 0 and leaves everything as it is
            self._sweep_builds()
            raise ImageError(Problem(f"the build of image {tag} was interrupted", resolution="start it again"))
        if done.returncode == STUCK:
            raise ImageError(
                Problem(
                    f"the build of image {tag} is stuck: {BUILD_TRIES} times no line for {BUILD_SILENCE / 60:.0f} min",
                    details=done.tail(),
                    resolution="look whether containers reach the package mirror, then start it again",
                )
            )
        raise self._build_error(done, f"image {tag} cannot be built", self._explain(done))

    def stop_builds(self) -> None:
        """See :meth:`Engine.stop_builds`."""
        me = owner()
        end_builds([one for one in build_processes() if one.owner == me])
        self._sweep_builds()  # a step that outlives its build holds the pipes that the build's caller reads

    def import_rootfs(self, tar: Path, *, tag: str, changes: Sequence[str]) -> str:
        """See :meth:`Engine.import_rootfs`."""
        options = [word for change in changes for word in ("--change", change)]
        done = self._run("import", *options, str(tar), tag)
        if not done.ok:
            raise self._build_error(done, f"root file system cannot be imported as {tag}", self._explain(done))
        return self._id_of(tag)

    def image(self, reference: str) -> Image | None:
        """See :meth:`Engine.image`."""
        return next(iter(self.present([reference])), None)

    def present(self, references: Sequence[str]) -> tuple[Image, ...]:
        """See :meth:`Engine.present`."""
        return tuple(read_image(raw) for raw in self._inspect("image", references))

    def images(self, label: str) -> tuple[Image, ...]:
        """See :meth:`Engine.images`."""
        words = ("images", "--no-trunc", "-q", "--filter", f"label={label}")
        done = self._listed(*words, passing="image not known")
        ids = (done if done.ok else self._call(*words)).stdout.split()
        return self.present(sorted(set(ids)))

    def tag(self, reference: str, new: str) -> None:
        """See :meth:`Engine.tag`."""
        self._call("tag", reference, new)

    def untag(self, reference: str) -> None:
        """See :meth:`Engine.untag`; a builder that keeps a cache of its own needs no image for that."""
        self.remove_images([reference])

    def pull(self, reference: str, *, on_line: Callable[[str], None] | None = None) -> None:
        """See :meth:`Engine.pull`; what the registry refuses is a RegistryError."""
        done = self._run("pull", *self._registry_options(reference), reference, on_line=on_line)
        if not done.ok:
            raise self._transfer_error(done, f"{reference} cannot be pulled")

    def remove_images(self, references: Sequence[str]) -> None:
        """See :meth:`Engine.remove_images`."""
        if references:
            self._call_each("rmi", references)

    # ---- helper containers

    def run(
        self,
        spec: RunSpec,
        *,
        stdin: str | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See :meth:`Engine.run`. The command's own failure is returned; the engine's is raised."""
        return self._helped(
            spec,
            lambda argv, env: self._runner.run(argv, stdin=stdin, env=env, timeout=timeout, on_line=on_line),
            interactive=stdin is not None,
        )

    def run_bytes(
        self,
        spec: RunSpec,
        *,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        timeout: float | None = None,
    ) -> Completed:
        """See :meth:`Engine.run_bytes`. The command's own failure is returned; the engine's is raised."""
        return self._helped(
            spec,
            lambda argv, env: self._runner.transfer(argv, stdin=stdin, stdout=stdout, env=env, timeout=timeout),
            interactive=stdin is not None,
        )

    def _helped(
        self, spec: RunSpec, run: Callable[[Sequence[str], Mapping[str, str]], Completed], *, interactive: bool
    ) -> Completed:
        """Run a helper container to its end by ``run``; it does not outlive that."""
        name = self._helper_name()
        argv = (*self.argv, *run_words(spec, name, self._mount, interactive=interactive))
        try:
            done = run(argv, {**handed_over(spec.environment), **self.environment})
        except BaseException:  # Ctrl-C: our client is gone, the container is not
            self._discard(name)
            raise
        if done.returncode == STUCK or done.returncode < 0:
            self._discard(name)
        if done.returncode in _OWN_FAILURES and self._is_own_failure(done):
            raise EngineError(self._explain(done))
        return done

    def open(self, spec: RunSpec) -> Pipe:
        """See :meth:`Engine.open`."""
        name = self._helper_name()
        try:
            pipe = self._runner.open(
                (*self.argv, *run_words(spec, name, self._mount, interactive=True)),
                env={**handed_over(spec.environment), **self.environment},
            )
        except OSError as error:
            raise EngineError(self._explain(Completed(self.argv, 127, "", str(error)))) from error
        return HelperPipe(pipe, lambda: self._discard(name))

    # ---- containers

    def containers(self, label: str) -> tuple[Container, ...]:
        """See :meth:`Engine.containers`."""
        ids = self._call("ps", "-a", "-q", "--no-trunc", "--filter", f"label={label}").stdout.split()
        listed = self._inspect("container", ids)
        found = {str(raw["Id"]): self._container(raw) for raw in listed}
        for raw in listed:
            if (other := network_of(raw)) in found:
                found[str(raw["Id"])] = replace(found[str(raw["Id"])], address=found[other].address)
        return tuple(sorted(found.values(), key=lambda c: c.name))

    def _container(self, raw: Mapping[str, Any]) -> Container:
        """What the engine says of a container."""
        return read_container(raw)

    def address(self, container: str) -> str:
        """See :meth:`Engine.address`."""
        found = self._inspect("container", [container])
        if found and (other := network_of(found[0])):
            found = self._inspect("container", [other])
        return read_address(found[0]) if found else ""

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """See :meth:`Engine.exec`."""
        given = dict(environment or {})
        words = ["exec", *environment_words(given), *(("--user", user) if user else ()), container, *argv]
        env = {**handed_over(given), **self.environment}
        return self._runner.run((*self.argv, *words), env=env, timeout=timeout, on_line=on_line)

    def exec_bytes(
        self, container: str, argv: Sequence[str], stdout: IO[bytes], *, user: str = "", timeout: float | None = None
    ) -> Completed:
        """See :meth:`Engine.exec_bytes`."""
        words = ("exec", *(("--user", user) if user else ()), container, *argv)
        return self._runner.transfer((*self.argv, *words), stdout=stdout, env=self.environment, timeout=timeout)

    def logs(self, container: str, *, tail: int = 20) -> str:
        """See :meth:`Engine.logs`."""
        lines: list[str] = []  # both streams, in the order in which they arrive
        done = self._run("logs", "--tail", str(tail), container, on_line=lines.append)
        if not done.ok:
            raise EngineError(self._explain(done))
        return "\n".join(lines[-tail:])

    def remove_containers(self, names: Sequence[str]) -> None:
        """See :meth:`Engine.remove_containers`."""
        raise NotImplementedError

    # ---- networks and volumes

    def networks(self, label: str) -> tuple[str, ...]:
        """See :meth:`Engine.networks`."""
        listed = self._call("network", "ls", "--filter", f"label={label}", "--format", "{{.Name}}").stdout
        return tuple(sorted(listed.split()))

    def settle(self, network: str) -> None:
        """See :meth:`Engine.settle`."""

    def remove_networks(self, names: Sequence[str]) -> None:
        """See :meth:`Engine.remove_networks`."""
        if names:
            self._call_each("network", "rm", words=names)

    def volumes(self, label: str) -> tuple[str, ...]:
        """See :meth:`Engine.volumes`."""
        return tuple(sorted(self._call("volume", "ls", "-q", "--filter", f"label={label}").stdout.split()))

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """See :meth:`Engine.create_volume`."""
        options = [word for key in sorted(labels) for word in ("--label", f"{key}={labels[key]}")]
        done = self._run("volume", "create", *options, name)
        if not done.ok and "already exists" not in done.stderr:
            raise EngineError(self._explain(done))

    def remove_volumes(self, names: Sequence[str]) -> None:
        """See :meth:`Engine.remove_volumes`."""
        if names:
            self._call_each("volume", "rm", words=names)

    # ---- leftovers

    def sweep(self) -> tuple[str, ...]:
        """See :meth:`Engine.sweep`."""
        dead = [one for one in self.containers(LABEL_OWNER) if not is_alive(one.labels.get(LABEL_OWNER, ""))]
        if dead:
            self._remove_now([one.id for one in dead])
        return (*(one.name for one in dead), *self._sweep_builds())

    def _sweep_builds(self) -> tuple[str, ...]:
        return ()

    # ---- what the siblings override

    def _build_options(self, _annotations: Mapping[str, str]) -> tuple[str, ...]:
        return ()

    def _registry_options(self, _reference: str) -> tuple[str, ...]:
        return ()

    def _image_mount(self, mount: Mount) -> str:
        raise NotImplementedError

    def _remove_now(self, names: Sequence[str]) -> None:
        raise NotImplementedError

    def _explain(self, done: Completed) -> Problem:
        """Why a call failed, as a problem; siblings know more reasons."""
        if done.returncode == 127 and done.stderr.startswith(f"{self.argv[0]}: command not found"):
            return Problem(
                f"{self.name} is not installed",
                details=f"{self.argv[0]}: command not found",
                resolution=f"install it (Debian: apt-get install {self.package})",
            )
        if NO_SPACE in done.stderr.lower() or NO_SPACE in done.stdout.lower():
            return Problem(
                f"the disk is full: {self.name} could not write",
                details=done.tail(5),
                resolution=f"free space where {self.name} keeps its data (`{self.name} system df` shows what it uses)",
            )
        if done.returncode == STUCK:
            return Problem(f"{self.name} did not answer in time", details=f"command: {' '.join(done.argv)}")
        return Problem(f"{self.name} refused a request", details=f"command: {' '.join(done.argv)}\n{done.tail()}")

    def _is_own_failure(self, done: Completed) -> bool:
        return any(line.startswith((f"{self.name}: ", "Error: ")) for line in done.stderr.splitlines())

    # ---- shared

    def _run(
        self, *words: str, timeout: float | None = None, on_line: Callable[[str], None] | None = None
    ) -> Completed:
        return self._runner.run((*self.argv, *words), env=self.environment, timeout=timeout, on_line=on_line)

    def _call(self, *words: str) -> Completed:
        done = self._run(*words)
        if not done.ok:
            raise EngineError(self._explain(done))
        return done

    def _call_each(self, *command: str | Sequence[str], words: Sequence[str] = ()) -> None:
        """Run a removing command over many names; those that do not exist (any more) are no error.

        What another client uses at this moment may be free at the next.
        """
        flat = [word for one in command for word in ([one] if isinstance(one, str) else one)]
        for number in range(LIST_TRIES):
            done = self._run(*flat, *words)
            if done.ok or only_missing(done.stderr):
                return
            if number + 1 < LIST_TRIES:
                time.sleep(LIST_PAUSE)
        raise EngineError(self._explain(done))

    def _listed(self, *words: str, passing: str = "") -> Completed:
        """Run a listing, and again when it says ``passing``: podman 4.3 fails when something goes while it lists."""
        for _ in range(LIST_TRIES):
            done = self._run(*words)
            if done.ok or passing not in done.stderr:
                break
            time.sleep(LIST_PAUSE)
        return done

    def _inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """The engine's own JSON of those of ``names`` that exist."""
        if not names:
            return []
        done = self._run(kind, "inspect", *names)
        if not done.ok and not only_missing(done.stderr):
            raise EngineError(self._explain(done))
        found = json.loads(done.stdout or "[]")
        return list(found)

    def _id_of(self, tag: str) -> str:
        found = self.image(tag)
        if found is None:
            raise EngineError(Problem(f"{self.name} lost the image {tag} that it just made"))
        return found.id

    def _helper_name(self) -> str:
        return f"saltern-{os.getpid()}-{next(self._count)}-{secrets.token_hex(3)}"

    def _mount(self, mount: Mount) -> str:
        return self._image_mount(mount) if mount.image else mount_text(mount)

    def _discard(self, name: str) -> None:
        """Remove a helper of ours, best effort: what is left all the same is swept by the next saltern.

        One that is just being started or removed refuses for a moment, so a few tries are made.
        """
        for _ in range(DISCARD_TRIES):
            with contextlib.suppress(SalternError):
                self._remove_now([name])
                if not self._inspect("container", [name]):
                    return
            time.sleep(DISCARD_PAUSE)

    def _build_error(self, done: Completed, brief: str, why: Problem) -> SalternError:
        if done.returncode == 127 or "refused a request" not in why.brief:
            kind = ImageError if "disk is full" in why.brief else EngineError
            return kind(Problem(f"{brief}: {why.brief}", details=why.details, resolution=why.resolution))
        return ImageError(Problem(brief, details=f"the builder's last lines:\n{done.tail(30)}"))

    def _transfer_error(self, done: Completed, brief: str) -> SalternError:
        why = self._explain(done)
        if "refused a request" not in why.brief:
            return EngineError(Problem(f"{brief}: {why.brief}", details=why.details, resolution=why.resolution))
        return RegistryError(
            Problem(brief, details=done.tail(5), resolution=f"check the registry's address, and `{self.name} login`")
        )
