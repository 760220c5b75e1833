"""What formulas say of upgrades, ``meta/upgrade.yml``, as frozen values. Pure. ``saltern.plan.upgrade`` judges with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from saltern.base.errors import FormulaError, Problem

STAGES = ("check", "expand", "migrate", "contract")
"""The stages around a jump, in the order in which they come."""

ANY = "*"
"""Any version, as ``from`` or ``to`` of a jump."""

ORDER = 50
TIMEOUT = 300

_VERSION = re.compile(r"[0-9]+([.][0-9]+)*")


@dataclass(frozen=True, slots=True)
class Release:
    """A name for all upstream versions that begin with ``version``, e.g. ``zed`` for ``22``."""

    name: str
    version: str
    slurp: bool = False


@dataclass(frozen=True, slots=True)
class Allowed:
    """A step that is allowed, between beginnings of versions or :data:`ANY`; ``tested``: by our own tests alone."""

    old: str
    new: str
    source: str
    tested: bool = False
    at_least: str = ""
    """The oldest version to come from, "" for any that ``old`` names."""


@dataclass(frozen=True, slots=True)
class Downgrade:
    """What going back is: ``allowed`` is ``never``, ``before-contract``, ``otherwise`` or ``always``."""

    allowed: str = "never"
    source: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a stage. ``where``: ``image`` (a container of the new image) or ``process`` (the running one).

    ``user`` None: as the service. ``codes``: return code → ``ok``, ``warning`` or ``stop``; :meth:`meaning` knows the
    others. ``timeout`` in seconds.
    """

    name: str
    command: tuple[str, ...]
    where: str = "image"
    process: str = ""
    user: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: int = TIMEOUT
    codes: Mapping[int, str] = field(default_factory=dict)

    def meaning(self, code: int) -> str:
        """``ok``, ``warning`` or ``stop``."""
        return self.codes.get(code, "stop" if code else "ok")


@dataclass(frozen=True, slots=True)
class Otherwise:
    """The legal way across a jump that is not allowed in place.

    ``way`` ``fresh``: a new instance whose ``volume`` is empty, beside the old one; only where ``unless_holding``, run
    in the old instance's container, returns 0.
    """

    way: str
    volume: str
    unless_holding: Command
    source: str


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The rules and stages of one component of a formula."""

    formula: str
    name: str
    package: str
    order: int = ORDER
    releases: tuple[Release, ...] = ()
    jumps: tuple[Allowed, ...] = ()
    free: str = "patch"
    downgrade: Downgrade = Downgrade()
    otherwise: Otherwise | None = None
    stages: Mapping[str, tuple[Command, ...]] = field(default_factory=dict)
    """By name, of :data:`STAGES`; one without commands is not in it."""

    def stage(self, name: str) -> tuple[Command, ...]:
        """The commands of a stage."""
        return self.stages.get(name, ())


def read_upgrades(node: str, raw: Mapping[str, Mapping[str, Any]]) -> tuple[Upgrade, ...]:
    """The components of a node, first to last; ``raw`` is ``Metadata.raw``, which the schema has been checked on.

    Raises :class:`FormulaError` with all problems: names of releases, volumes and components that do not fit.
    """
    found = [
        (formula, one) for formula in sorted(raw) for one in (raw[formula].get("upgrade") or {}).get("components") or ()
    ]
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for formula, one in found:
        what = f"{formula}/meta/upgrade.yml, rendered for {node}: {one['name']}"
        problems += _problems(what, one, raw[formula].get("container") or {})
        if one["name"] in seen:
            brief = f"{what}: {seen[one['name']]}/meta/upgrade.yml has a component of that name too"
            problems.append(Problem(brief, resolution="Give it another name.", node=node))
        seen.setdefault(one["name"], formula)
    if problems:
        raise FormulaError(problems)
    return tuple(sorted((_upgrade(formula, one) for formula, one in found), key=lambda u: (u.order, u.name)))


def _problems(what: str, one: Mapping[str, Any], container: Mapping[str, Any]) -> Iterator[Problem]:
    names = [r["name"] for r in one.get("releases") or ()]
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield Problem(f"{what}: two releases are called {name}", resolution="Name each once.")
    for jump in one.get("jumps") or ():
        if "step" in jump and not names:
            yield Problem(f"{what}: a jump is 'step: {jump['step']}', and there are no releases to step over",
                          resolution="List the releases, oldest first, or give from and to.")  # fmt: skip
        for word in (jump[key] for key in ("from", "to") if key in jump):
            if word != ANY and word not in names and not _VERSION.fullmatch(word):
                yield Problem(f"{what}: a jump is from or to {word!r}, which is no release and no version",
                              resolution=f"Releases: {', '.join(names) or 'none'}. A version is numbers with dots.")  # fmt: skip
    volumes = sorted(v["name"] for v in container.get("volumes") or ())
    otherwise = one.get("otherwise")
    if otherwise and otherwise["volume"] not in volumes:
        yield Problem(f"{what}: otherwise: the volume {otherwise['volume']!r} is not in meta/container.yml",
                      resolution=f"Volumes: {', '.join(volumes) or 'none'}.")  # fmt: skip
    if one.get("downgrade", {}).get("allowed") == "otherwise" and not otherwise:
        yield Problem(f"{what}: downgrade is allowed 'otherwise', and 'otherwise' is missing",
                      resolution="Say the way in otherwise, or allow another.")  # fmt: skip


def _upgrade(formula: str, one: Mapping[str, Any]) -> Upgrade:
    releases = tuple(Release(**r) for r in one.get("releases") or ())
    otherwise = one.get("otherwise")
    return Upgrade(
        formula=formula,
        name=one["name"],
        package=one["package"],
        order=one.get("order", ORDER),
        releases=releases,
        jumps=tuple(dict.fromkeys(a for jump in one.get("jumps") or () for a in _allowed(jump, releases))),
        free=one.get("free", "patch"),
        downgrade=Downgrade(**one.get("downgrade") or {}),
        otherwise=_otherwise(otherwise) if otherwise else None,
        stages={s: tuple(_command(c) for c in one["stages"][s]) for s in STAGES if (one.get("stages") or {}).get(s)},
    )


def _allowed(jump: Mapping[str, Any], releases: tuple[Release, ...]) -> Iterator[Allowed]:
    rest = {key: jump[key] for key in ("tested", "at_least") if key in jump}
    if "step" in jump:
        line = [r for r in releases if r.slurp or jump["step"] == "next"]
        yield from (Allowed(old.version, new.version, jump["source"], **rest) for old, new in pairwise(line))
        return
    versions = {r.name: r.version for r in releases}
    old, new = (versions.get(jump[key], jump[key]) for key in ("from", "to"))
    yield Allowed(old, new, jump["source"], **rest)


def _otherwise(raw: Mapping[str, Any]) -> Otherwise:
    holding = _command({"name": "holds nothing that must live on", "where": "process", **raw["unless_holding"]})
    return Otherwise(raw["way"], raw["volume"], holding, raw["source"])


def _command(raw: Mapping[str, Any]) -> Command:
    environment = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in sorted((raw.get("environment") or {}).items())
    }
    codes = {int(code): meaning for code, meaning in sorted((raw.get("codes") or {}).items())}
    return Command(**{**raw, "command": tuple(raw["command"]), "environment": environment, "codes": codes})
