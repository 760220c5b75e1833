"""How containers are started: the words of ``run`` and ``exec``, their environment, a conversation with one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from saltern.base.process import Completed, Pipe
from saltern.images.engine import LABEL_OWNER, Mount, RunSpec
from saltern.images.engine.owner import owner


def run_words(spec: RunSpec, name: str, mount: Callable[[Mount], str], *, interactive: bool) -> list[str]:
    """``run`` with all that a helper container is; ``mount`` words one mount."""
    # --sig-proxy=false: a signal ends our client at once; the container is then removed by its name. Forwarded, it
    # would be lost on a process 1 without a handler, and we would wait for ever.
    fixed = ("--rm", "--pull=never", "--sig-proxy=false", "--name", name)
    words = ["run", *fixed, "--network", spec.network, "--user", spec.user]
    if interactive:
        words.append("--interactive")
    if spec.hostname:
        words += ["--hostname", spec.hostname]
    if spec.read_only:
        words.append("--read-only")
    if spec.capabilities is not None:
        words += ["--cap-drop", "all", *_pairs("--cap-add", spec.capabilities)]
    labels = {**spec.labels, LABEL_OWNER: owner()}
    words += _pairs("--label", (f"{key}={labels[key]}" for key in sorted(labels)))
    words += environment_words(spec.environment)
    words += _pairs("--tmpfs", spec.tmpfs)
    words += _pairs("--mount", map(mount, spec.mounts))
    command = list(spec.command)
    if command:  # the image's entrypoint must not stand before it
        words += ["--entrypoint", command.pop(0)]
    return [*words, spec.image, *command]


def mount_text(mount: Mount) -> str:
    """A mount of a volume or a host path."""
    kind = "bind" if "/" in mount.source else "volume"
    text = f"type={kind},source={mount.source},target={mount.target}"
    return text + ",ro" if mount.read_only else text


def _is_clients(key: str) -> bool:
    """Whether the engine's own client listens to a variable, so that it cannot be handed over by name."""
    return key in ("PATH", "HOME", "TMPDIR") or key.startswith(("LD_", "XDG_", "CONTAINER", "DOCKER", "BUILDAH"))


def environment_words(environment: Mapping[str, str]) -> list[str]:
    """By name alone: the value goes through the client's environment, because a process list shows arguments."""
    return _pairs("--env", (f"{key}={environment[key]}" if _is_clients(key) else key for key in sorted(environment)))


def handed_over(environment: Mapping[str, str]) -> dict[str, str]:
    """What goes through the environment of the engine's client."""
    return {key: value for key, value in environment.items() if not _is_clients(key)}


def _pairs(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


class HelperPipe:
    """A conversation with a helper container that does not outlive it."""

    def __init__(self, pipe: Pipe, discard: Callable[[], None]) -> None:
        self._pipe = pipe
        self._discard = discard

    def send(self, line: str) -> None:
        """See :meth:`Pipe.send`."""
        self._pipe.send(line)

    def receive(self) -> str | None:
        """See :meth:`Pipe.receive`."""
        return self._pipe.receive()

    def close(self) -> Completed:
        """See :meth:`Pipe.close`; what remains of the container goes too."""
        try:
            done = self._pipe.close()
        except BaseException:
            self._discard()
            raise
        if done.returncode < 0:  # our client was killed, so nobody removes the container
            self._discard()
        return done
