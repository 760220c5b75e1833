"""Where something stands in an SLS: a state id, an include, a line that was rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


class Sources:
    """Reads the files of one request, once each."""

    def __init__(self, roots: Any) -> None:
        self._roots = roots
        self._lines: dict[str, list[str]] = {}

    def lines(self, file: str) -> list[str]:
        """The lines of a file, by its relative path; none when no root has it."""
        if file not in self._lines:
            path = self._roots.files.get(file)
            text = ""
            if path:
                with open(path, encoding="utf-8", errors="replace") as stream:
                    text = stream.read()
            self._lines[file] = text.splitlines()
        return self._lines[file]

    def find(self, sls: str, identifier: str, function: str = "") -> tuple[str, int]:
        """The file (relative to its root) and line (0: not literally there) of a state id.

        Where Jinja has several blocks of one id, that of the state function counts.
        """
        file = self._roots.sls_file(sls)
        lines = self.lines(file) if file else []
        return file, literal_line(lines, identifier, function) or templated_line(lines, identifier)

    def mention(self, sls: str) -> tuple[str, int]:
        """The first file and line that includes an SLS, by its whole name or a relative one."""
        name = rf"""['"]?(?:{re.escape(sls)}|\.+{re.escape(sls.rpartition(".")[2])})['"]?"""
        pattern = re.compile(rf"""\s*-\s+{name}\s*(?:#|$)|\s*include:\s*\[(?:.*[\s,])?{name}\s*[\],]""")
        for file in sorted(name for name in self._roots.files if name.endswith(".sls")):
            for number, line in enumerate(self.lines(file), 1):
                if pattern.match(line):
                    return file, number
        return "", 0


def literal_line(lines: Sequence[str], identifier: str, function: str = "") -> int:
    """The first line on which the id itself opens a block, best one with the state function in it."""
    pattern = re.compile(rf"""\s*(['"]?){re.escape(identifier)}\1\s*:\s*($|#|\{{)""")
    found = [number for number, line in enumerate(lines, 1) if pattern.match(line)]
    if len(found) < 2 or not function:
        return found[0] if found else 0
    return next((number for number in found if _has_function(lines[number - 1 :], function)), found[0])


def _has_function(block: Sequence[str], function: str) -> bool:
    """Whether the function, whole or with its own part as an item, stands in the block that the first line opens."""
    indent = len(block[0]) - len(block[0].lstrip())
    module, _, name = function.partition(".")
    inside = []
    for line in block[1:]:
        if line.strip() and not line.lstrip().startswith(("{", "#")) and len(line) - len(line.lstrip()) <= indent:
            break
        inside.append(line.strip().rstrip(":"))
    return function in inside or (module in inside and f"- {name}" in inside)


def templated_line(lines: Sequence[str], identifier: str) -> int:
    """The only line whose ``{{ … }}`` parts could have made the id; 0 when none or several could."""
    blocks = [line.strip() for line in lines]
    found = [
        number
        for number, line in enumerate(blocks, 1)
        if line.endswith(":") and not line.startswith(("-", "#")) and _could_make(line[:-1].strip("'\""), identifier)
    ]
    return found[0] if len(found) == 1 else 0


def source_line(lines: Sequence[str], rendered: Sequence[str], number: int) -> int:
    """The source line of the rendered line ``number`` (or of the last one before it that is found only once)."""
    for text in (line.strip() for line in reversed(rendered[:number])):
        if not text:
            continue
        same = [place for place, line in enumerate(lines, 1) if line.strip() == text]
        if len(same) == 1:
            return same[0]
        made = [place for place, line in enumerate(lines, 1) if _could_make(line.strip(), text)]
        if len(made) == 1:
            return made[0]
        if same or made:
            return 0
    return 0


def _could_make(template: str, text: str) -> bool:
    parts = re.split(r"\{\{.*?\}\}", template)
    return len(parts) > 1 and any(map(str.strip, parts)) and bool(re.fullmatch(".*?".join(map(re.escape, parts)), text))
