"""The text of what starts a service: systemd unit with drop-ins, init script, environment files."""

from __future__ import annotations

import glob
import os
import re
from typing import Any

FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
ENVIRONMENT_FILE = re.compile(r"^\s*EnvironmentFile\s*=\s*-?(\S+)", re.MULTILINE)


def text(path: str) -> str:
    """A file's content, "" when there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def inspect(name: str) -> dict[str, Any]:
    """See the module's text; absent parts have no key."""
    name = name.removesuffix(".service")
    found: dict[str, Any] = {}
    path = _unit(name)
    if path:
        found |= {"unit": text(path), "unit_path": path}
        names = {name, os.path.basename(path).removesuffix(".service")}
        dropins = sorted(
            (file for folder in FOLDERS for own in names for file in glob.glob(f"{folder}/{own}.service.d/*.conf")),
            key=os.path.basename,
        )
        if dropins:
            found["dropins"] = [text(file) for file in dict.fromkeys(map(os.path.realpath, dropins))]
        environment = {
            file: text(file)
            for part in (found["unit"], *found.get("dropins", ()))
            for pattern in ENVIRONMENT_FILE.findall(part)
            for file in sorted(glob.glob(pattern))
        }
        if environment:
            found["environment_files"] = environment
    for own in (name, os.path.basename(path or "").removesuffix(".service")):
        if own and os.path.isfile(f"/etc/init.d/{own}"):
            found["init"] = text(f"/etc/init.d/{own}")
            break
    return found


def _unit(name: str) -> str:
    """The real file behind a unit's name: links followed, aliases of other units' ``Alias=`` found."""
    for folder in FOLDERS:
        path = os.path.realpath(f"{folder}/{name}.service")
        if os.path.isfile(path):
            return path
    template = name.partition("@")[0]
    if template != name:
        return _unit(f"{template}@")
    alias = re.compile(rf"^\s*Alias\s*=.*\b{re.escape(name)}\.service\b", re.MULTILINE)
    for folder in FOLDERS:
        for path in sorted(glob.glob(f"{folder}/*.service")):
            if alias.search(text(path)):
                return os.path.realpath(path)
    return ""
