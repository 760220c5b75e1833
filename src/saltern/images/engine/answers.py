"""What both engines answer, read: their own JSON of images and containers, and what is missing. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from saltern.images.engine import Container, Image, Mount

_MISSING = ("no such", "not known", "no container with", "not found")


def only_missing(stderr: str) -> bool:
    """Whether a call failed only because what it names does not exist."""
    lines = [line.lower() for line in stderr.splitlines() if line.strip()]
    return bool(lines) and all(any(text in line for text in _MISSING) for line in lines)


def read_image(raw: Mapping[str, Any]) -> Image:
    """An image of ``image inspect``."""
    config = raw.get("Config") or {}
    return Image(
        id=str(raw["Id"]).removeprefix("sha256:"),
        size=int(raw.get("Size") or 0),
        labels=dict(config.get("Labels") or {}),
        tags=tuple(sorted(raw.get("RepoTags") or ())),
    )


def read_address(raw: Mapping[str, Any]) -> str:
    """The first IPv4 address of a container, "" while it has none."""
    settings = raw.get("NetworkSettings") or {}
    networks = settings.get("Networks") or {}
    for one in (*(networks[name] or {} for name in sorted(networks)), settings):
        if one.get("IPAddress"):
            return str(one["IPAddress"])
    return ""


def network_of(raw: Mapping[str, Any]) -> str:
    """The id of the container whose network a container shares, "" where it shares none."""
    mode = str((raw.get("HostConfig") or {}).get("NetworkMode") or "")
    return mode.removeprefix("container:") if mode.startswith("container:") else ""


def read_container(raw: Mapping[str, Any]) -> Container:
    """A container of ``container inspect``."""
    state, config = raw.get("State") or {}, raw.get("Config") or {}
    return Container(
        id=str(raw["Id"]),
        name=str(raw.get("Name", "")).removeprefix("/"),
        image=str(raw.get("ImageName") or config.get("Image") or ""),
        state=str(state.get("Status", "")).lower(),
        exit_code=int(state.get("ExitCode") or 0),
        labels=dict(config.get("Labels") or {}),
        started_at=str(state.get("StartedAt", "")),
        address=read_address(raw),
        mounts=tuple(sorted(_mounts(raw), key=lambda mount: mount.target)),
    )


def _mounts(raw: Mapping[str, Any]) -> Iterator[Mount]:
    for one in raw.get("Mounts") or ():
        if one.get("Type") in ("volume", "bind"):
            source = one["Name"] if one["Type"] == "volume" else one["Source"]
            yield Mount(str(source), str(one["Destination"]), read_only=not one.get("RW", True))
