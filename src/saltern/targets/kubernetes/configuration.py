"""Rendered configuration as Secrets, and how each file gets to its place with owner and mode.

A volume made from a Secret belongs to root and the pod's group. Where that says the same as the formula, a file is
mounted from it. Where it does not (a file of the user's alone, a link, a folder as a whole), it is copied into memory
first. What a process may not read is not in its pod at all; jobs, which are root, have everything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from saltern.base.errors import ConfigError, Problem
from saltern.base.store import digest
from saltern.targets.kubernetes.manifest import Manifest
from saltern.targets.kubernetes.metadata import Frame, instance
from saltern.targets.kubernetes.parts import ROOT, Account, Part, empty, mount, own, together
from saltern.targets.kubernetes.site import ConfigFile

LIMIT = 900_000
"""Bytes of a Secret; the API takes 1 MiB with everything around it."""
EXACT = "exact"
"""The folder in memory of files that are copied."""
HASH = 10


def bins(contents: Mapping[str, bytes], what: str) -> list[dict[str, bytes]]:
    """Contents by key, so that each part fits into one Secret. Raises ConfigError."""
    if large := [key for key, content in contents.items() if len(content) > LIMIT]:
        raise ConfigError(
            Problem(
                f"{key} of {what} has {len(contents[key])} bytes, and a Secret of Kubernetes takes {LIMIT}",
                resolution="let the formula write it in the phase build, where it becomes a part of the image",
            )
            for key in large
        )
    found: list[dict[str, bytes]] = []
    size = LIMIT + 1
    for key, content in sorted(contents.items()):
        if size + len(content) > LIMIT:
            found.append({})
            size = 0
        found[-1][key] = content
        size += len(content)
    return found


def keys(paths: Iterable[str]) -> dict[str, str]:
    """Path → key of a Secret, which may have no slash."""
    found: dict[str, str] = {}
    for path in sorted(paths):
        key = re.sub(r"[^A-Za-z0-9_.-]", "_", path.strip("/").replace("/", "."))
        if key in found.values() or len(key) > 200:
            key = f"{key[-200:]}.{digest(path)[:HASH]}"
        found[path] = key
    return found


def secret_names(base: str, count: int) -> list[str]:
    """The names of that many Secrets with one content."""
    return [base if number == 1 else f"{base}-{number}" for number in range(1, count + 1)]


def secret(frame: Frame, name: str, contents: Mapping[str, bytes], shown: Mapping[str, str] | None) -> Manifest:
    """An immutable Secret; ``shown`` is what may be shown of its contents, None where they hold no secrets."""
    head = {"immutable": True, "type": "Opaque"}
    data = {key: base64.b64encode(content).decode() for key, content in sorted(contents.items())}
    masked = None if shown is None else {**head, "stringData": dict(sorted(shown.items()))}
    return frame.manifest("Secret", name, {**head, "data": data}, masked, component="configuration")


class Configuration:
    """The configuration of one workload."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.files = frame.site.of(frame.workload.name).config
        plain = {file.path: file for file in self.files if file.kind == "file"}
        self._keys = keys(plain)
        contents = {self._keys[path]: file.content for path, file in plain.items()}
        self._shown = {self._keys[path]: file.masked for path, file in plain.items()}
        self._bins = bins(contents, f"the configuration of {frame.workload.node}")
        tree = frame.site.of(frame.workload.name).tree
        self._names = secret_names(f"{instance(frame.workload)}-config-{tree[:HASH]}", len(self._bins))

    def secrets(self) -> list[Manifest]:
        """The Secrets with all files. Their names tell the content apart, so they never change."""
        return [
            secret(self._frame, name, part, self._masked(part))
            for name, part in zip(self._names, self._bins, strict=True)
        ]

    def _masked(self, part: Mapping[str, bytes]) -> dict[str, str] | None:
        if all(self._shown[key] is None for key in part):
            return None
        texts = {key: self._shown[key] for key in part}
        return {key: part[key].decode(errors="replace") if text is None else text for key, text in texts.items()}

    def for_processes(self, accounts: Sequence[Account]) -> dict[Account, Part]:
        """What the processes of each user have of it; all are in one pod, whose group is the first one's."""
        group = accounts[0].gid
        direct = {who: [f for f in self.files if _is_direct(f, who, group)] for who in accounts}
        exact = {who: [f for f in self.files if f not in direct[who] and _may_read(f, who)] for who in accounts}
        volumes = self._volumes([f for fs in direct.values() for f in fs], [f for fs in exact.values() for f in fs])
        names = {who: _numbered(EXACT, number) for number, who in enumerate(accounts, 1)}
        copied = {who: self._exact_part(exact[who], names[who], who) for who in accounts}
        return {who: together([self._direct_part(direct[who], volumes), copied[who]]) for who in accounts}

    def for_job(self) -> Part:
        """All of it, with owners."""
        volumes = self._volumes([], self.files)
        return together([Part(tuple(volumes)), self._exact_part(list(self.files), EXACT, Account())])

    def _direct_part(self, files: list[ConfigFile], volumes: list[dict[str, Any]]) -> Part:
        mounts = (mount(own(self._volume(f)), f.path, self._keys[f.path], read_only=True) for f in files)
        return Part(tuple(volumes), tuple(mounts))

    def _exact_part(self, files: list[ConfigFile], name: str, who: Account) -> Part:
        if not files:
            return Part()
        sources = sorted({self._volume(f) for f in files if f.kind == "file"})
        tops = sorted({f.folder or f.path for f in files})
        tools = [mount(own(one), f"{ROOT}/{one}", read_only=True) for one in sources]
        return Part(
            (empty(own(name)),),
            tuple(mount(own(name), path, path.strip("/"), read_only=True) for path in tops),
            (*tools, mount(own(name), f"{ROOT}/{name}")),
            tuple(self._copies(files, f"{ROOT}/{name}", who)),
        )

    def _volume(self, file: ConfigFile) -> str:
        return self._volume_of(file.path)

    def _volume_of(self, path: str) -> str:
        key = self._keys[path]
        number = next(n for n, part in enumerate(self._bins, 1) if key in part)
        return _numbered("config", number)

    def _volumes(self, direct: Iterable[ConfigFile], exact: Iterable[ConfigFile]) -> list[dict[str, Any]]:
        modes = {f.path: 0o440 for f in exact if f.kind == "file"} | {f.path: f.mode & 0o777 for f in direct}
        wanted = {path: self._volume_of(path) for path in modes}
        found = []
        for number, name in enumerate(self._names, 1):
            volume = _numbered("config", number)
            items = [
                {"key": self._keys[path], "path": self._keys[path], "mode": modes[path]}
                for path in sorted(wanted)
                if wanted[path] == volume
            ]
            if items:
                found.append(
                    {"name": own(volume), "secret": {"secretName": name, "defaultMode": 0o440, "items": items}}
                )
        return found

    def _copies(self, files: list[ConfigFile], root: str, who: Account) -> Iterator[str]:
        """Shell lines that make the files below a folder in memory; folders get their modes last."""
        folders = [f for f in files if f.kind == "directory"]
        parents = {f.path.rpartition("/")[0] for f in files} - {f.path for f in folders}
        yield from (f"mkdir -p {quote(root + path)}" for path in sorted({*parents, *(f.path for f in folders)}))
        for file in files:
            owner = f"-g {who.gid}" if who.uid else f"-o {file.uid} -g {file.gid}"
            if file.kind == "file":
                source = quote(f"{ROOT}/{self._volume(file)}/{self._keys[file.path]}")
                yield f"install -m {file.mode:04o} {owner} {source} {quote(root + file.path)}"
            elif file.kind == "symlink":
                yield f"ln -sfn {quote(file.target)} {quote(root + file.path)}"
        for folder in reversed(folders):
            if not who.uid:
                yield f"chown {folder.uid}:{folder.gid} {quote(root + folder.path)}"
            yield f"chmod {folder.mode:04o} {quote(root + folder.path)}"


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"


def _is_direct(file: ConfigFile, who: Account, group: int) -> bool:
    """Whether root and the pod's group as owners leave this user the access that the formula gave, and nobody more."""
    if file.kind != "file" or file.folder:
        return False
    if file.mode & 0o004 or (not who.uid and (file.uid, file.gid) == (0, 0)):
        return True
    return bool(who.uid) and file.gid == who.gid == group and bool(file.mode & 0o040)


def _may_read(file: ConfigFile, who: Account) -> bool:
    if file.kind != "file" or not who.uid or file.mode & 0o004:
        return True
    return (file.uid == who.uid and bool(file.mode & 0o400)) or (file.gid == who.gid and bool(file.mode & 0o040))
