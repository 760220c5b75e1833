"""What the manifests of a cloud are made from besides its workloads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from saltern.model.settings import KubernetesSettings
from saltern.targets.kubernetes.versions import Version


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """An entry of a workload's rendered configuration."""

    path: str
    """Where its container has it."""
    kind: str = "file"
    """``file``, ``symlink`` or ``directory``."""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""
    """Of a link."""
    masked: str | None = None
    """The text as it may be shown, of a file that holds secrets."""
    folder: str = ""
    """The folder that is delivered whole in which it lies, or that it is."""


@dataclass(frozen=True)
class Request:
    """What a job is given: path below /media → content; ``identity`` tells contents apart and no secret."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    identity: str = ""


@dataclass(frozen=True)
class Contents:
    """What a workload brings that its :class:`~saltern.targets.workload.Workload` only names."""

    origin: str = ""
    """The file of its node."""
    tree: str = ""
    """Identity of its configuration: names of objects are made from it, so it tells nothing of secrets."""
    config: tuple[ConfigFile, ...] = ()
    requests: Mapping[str, Request] = field(default_factory=dict)
    """By the key of their job."""
    installer: str = ""
    """The image that has the toolchain and can copy it."""


@dataclass(frozen=True)
class Site:
    """The cluster's side: where the objects go, and for which Kubernetes."""

    version: Version
    namespace: str
    settings: KubernetesSettings = field(default_factory=KubernetesSettings)
    revision: str = ""
    """Of the model."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """Reference of an image → the digest that its registry has for it."""
    contents: Mapping[str, Contents] = field(default_factory=dict)
    """By the workload's name."""

    def image(self, reference: str) -> str:
        """A reference with its digest, where that is known."""
        digest = self.digests.get(reference, "")
        return f"{reference}@{digest}" if digest else reference

    def of(self, workload: str) -> Contents:
        """What a workload brings."""
        return self.contents.get(workload, Contents())
