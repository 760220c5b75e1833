"""Salt's error texts → what is wrong, and where. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILE_AND_LINE = re.compile(r"^(/\S+)\((\d+)\):?\s*$", re.MULTILINE)
"""How Salt names an imported template."""
FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)', re.MULTILINE)
TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*")
SALT_LINE = re.compile(r"; line (\d+)$", re.MULTILINE)
YAML_MARK = re.compile(r'^\s*in "<unicode string>", line (\d+), column \d+:?\s*$', re.MULTILINE)
SECRET_KEY = re.compile(r"pass|secret|token|credential|private|key$", re.IGNORECASE)
HIDDEN = "***"
SHORTEST = 4
"""A secret value below this length is not hidden: it would hide half of the text."""


@dataclass(frozen=True)
class Explained:
    """``line`` counts in ``file`` ("": the file that was rendered); ``rendered`` counts in what it rendered to."""

    brief: str
    file: str = ""
    line: int = 0
    rendered: int = 0
    details: str = ""


def explain(text: str, roots: Sequence[str] = ()) -> Explained:
    """Understand one error text."""
    marks = [int(number) for number in YAML_MARK.findall(text)]
    if marks:
        return Explained(_yaml_brief(text), rendered=marks[-1], details=text.strip())
    details = re.sub(r"\n{3,}", "\n\n", TRACEBACK.sub("", text)).strip()
    brief = _brief(text)
    where = FILE_AND_LINE.search(text)
    if where:
        return Explained(brief, where.group(1), int(where.group(2)), details=details)
    frames = [(file, int(line)) for file, line in FRAME.findall(text) if file.startswith(tuple(f"{r}/" for r in roots))]
    if frames:
        return Explained(brief, *frames[-1], details=details)
    line = SALT_LINE.search(text)
    return Explained(brief, line=int(line.group(1)) if line else 0, details=details)


def _brief(text: str) -> str:
    lines = text.strip().splitlines() or ["no reason given"]
    missing = re.search(r"TemplateNotFound: (\S+)", text)
    if missing:
        return f"template {missing.group(1)} does not exist"
    function = re.search(r"AliasedLoader object' has no attribute '([^']+)'", text)
    if function:
        return f"Salt has no function {function.group(1)}"
    if "Traceback" in lines[0]:
        lines = [line for line in TRACEBACK.sub("", text).splitlines() if line.strip()] or lines
    line = re.sub(r"; line \d+$", "", lines[0]).strip()
    return line.removeprefix("Unable to manage file: ").removesuffix(".")


def _yaml_brief(text: str) -> str:
    """``while parsing a block mapping`` and ``did not find expected key`` in one sentence."""
    parts = [part.strip() for part in YAML_MARK.sub("", text).splitlines() if part.strip()]
    return "wrong YAML: " + ", ".join(reversed(parts[:2]))


def secrets(pillar: Any, *, hidden: bool = False) -> Iterator[str]:
    """The texts of a pillar whose key says that they are secret."""
    if isinstance(pillar, Mapping):
        for key, value in pillar.items():
            yield from secrets(value, hidden=hidden or bool(SECRET_KEY.search(str(key))))
    elif isinstance(pillar, list):
        for value in pillar:
            yield from secrets(value, hidden=hidden)
    elif hidden and len(str(pillar)) >= SHORTEST:
        yield str(pillar)


def hide(text: str, values: Sequence[str]) -> str:
    """The text without these values."""
    for value in sorted(set(values), key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text
