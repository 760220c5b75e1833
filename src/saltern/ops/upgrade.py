"""Which packages of a locked image move when some are upgraded, and the lock that results. Pure.

What was asked for moves to the best version that apt would take; all binaries of the same source go with it, since
Debian tests them together. Other packages stay, but for two reasons that are told: apt says that a dependency needs it,
or the mirrors do not have the locked version any more, so that no image could be built with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from saltern.base.errors import ImageError, Problem
from saltern.images.packages import LockedImage, beyond
from saltern.ops.affected import Mask
from saltern.ops.apt import Moved
from saltern.ops.contents import Contents, Package
from saltern.ops.index import Index, Offer, Suite, parse_paragraph

INSTALLED = "Status: install ok installed"


class Cause(StrEnum):
    """Why a package moves."""

    ASKED = "asked"
    SECURITY = "security"
    SOURCE = "source"
    GONE = "gone"
    DEPENDENCY = "dependency"


@dataclass(frozen=True, slots=True)
class Move:
    """A package of an image that gets another version; ``old`` "": it is new, ``new`` "": it goes."""

    image: str
    package: str
    old: str
    new: str
    suite: str
    security: bool
    cause: Cause
    reason: str
    in_base: bool = False
    """The base has it; the newer version is installed over it in the image."""


def choose(contents: Contents, index: Index, masks: Sequence[Mask], *, security: bool) -> dict[str, Move]:
    """What moves by itself, by package: what was asked for and its siblings; empty when that is as new as it can be."""
    chosen: dict[str, Move] = {}
    for name, package in contents.packages.items():
        newer = index.newer(name, package.version)
        asked = next((mask for mask in masks if mask.matches(package)), None)
        if newer and asked:
            chosen[name] = _move(contents, package, newer, Cause.ASKED, f"asked for with {asked.text!r}")
        elif newer and security and (fixing := _security(newer)):
            reason = f"{fixing.suite.name} has {fixing.version}"
            chosen[name] = _move(contents, package, newer, Cause.SECURITY, reason)
    chosen |= _siblings(contents, index, chosen)
    if chosen:
        gone = {move.package: move for move in _gone(contents, index) if move.package not in chosen}
        chosen |= gone
        chosen |= _siblings(contents, index, gone, but=chosen)
    return dict(sorted(chosen.items()))


def _security(newer: Iterable[Offer]) -> Offer | None:
    return next((offer for offer in newer if offer.suite.is_security), None)


def _move(contents: Contents, package: Package, newer: Sequence[Offer], cause: Cause, reason: str) -> Move:
    best = newer[0]
    return Move(
        image=contents.image,
        package=package.name,
        old=package.version,
        new=best.version,
        suite=best.suite.name,
        security=_security(newer) is not None,
        cause=cause,
        reason=reason,
        in_base=package.name in contents.own,
    )


def _siblings(contents: Contents, index: Index, chosen: Mapping[str, Move], but: Iterable[str] = ()) -> dict[str, Move]:
    """The other binaries of the sources of chosen packages."""
    sources = {contents.packages[name].source: name for name in sorted(chosen, reverse=True)}
    left_out = {*chosen, *but}
    found = {}
    for name, package in contents.packages.items():
        newer = index.newer(name, package.version)
        if name not in left_out and package.source and package.source in sources and newer:
            reason = f"built from {package.source}, as {sources[package.source]} is"
            found[name] = _move(contents, package, newer, Cause.SOURCE, reason)
    return found


def _gone(contents: Contents, index: Index) -> Iterator[Move]:
    """The locked packages whose versions the mirrors have replaced."""
    for name, package in contents.packages.items():
        if name in contents.own or not index.offers.get(name) or index.offer(name, package.version):
            continue
        if newer := index.newer(name, package.version):
            yield _move(contents, package, newer, Cause.GONE, f"the mirrors do not have {package.version} any more")


def stuck(contents: Contents, index: Index) -> tuple[str, ...]:
    """The locked packages whose versions are gone with nothing newer to replace them."""
    return tuple(
        f"{name}={package.version}"
        for name, package in contents.packages.items()
        if name not in contents.own
        and index.offers.get(name)
        and index.offer(name, package.version) is None
        and not index.newer(name, package.version)
    )


def installed_status(base: str, contents: Contents, index: Index) -> str:
    """A dpkg database in which an image's packages are installed, from its base's one and the index's paragraphs.

    A version that is in neither is left out when the index knows the package (then it moves, and apt is told), else
    it stands in without dependencies.
    """
    versions = {name: package.version for name, package in contents.packages.items()}
    paragraphs = {}
    for paragraph in base.split("\n\n"):
        name = parse_paragraph(paragraph).get("Package", "")
        if name and (name in contents.own or name not in versions):
            paragraphs[name] = paragraph.strip("\n")
    for name, version in versions.items():
        if name in paragraphs:
            continue
        offer = index.offer(name, version)
        if offer is not None:
            paragraphs[name] = f"{offer.paragraph}\n{INSTALLED}"
        elif not index.offers.get(name):
            paragraphs[name] = f"Package: {name}\nVersion: {version}\nArchitecture: all\n{INSTALLED}"
    return "\n\n".join(paragraphs[name] for name in sorted(paragraphs)) + "\n"


def complete(contents: Contents, index: Index, chosen: Mapping[str, Move], moved: Iterable[Moved]) -> tuple[Move, ...]:
    """The chosen moves and what apt needs besides. Raises ImageError when apt would not do what was chosen."""
    found = {one.package: one for one in moved}
    missed = [
        f"{m.package}={m.new}" for m in chosen.values() if m.package not in found or found[m.package].new != m.new
    ]
    if missed:
        raise ImageError(
            Problem(
                f"apt would not install {', '.join(missed)} in image {contents.image!r}",
                resolution="look whether the base has preferences of its own in /etc/apt",
            )
        )
    asked = ", ".join(m.package for m in chosen.values() if m.cause in (Cause.ASKED, Cause.SECURITY))
    besides = [_besides(contents, index, one, asked) for one in found.values() if one.package not in chosen]
    return tuple(sorted((*chosen.values(), *besides), key=lambda move: move.package))


def _besides(contents: Contents, index: Index, one: Moved, asked: str) -> Move:
    package = contents.packages.get(one.package)
    offer = index.offer(one.package, one.new) if one.new else None
    suite = offer.suite if offer else Suite("")
    said = "needs it" if one.new and not one.old else "needs this version" if one.new else "conflicts with it"
    return Move(
        image=contents.image,
        package=one.package,
        old=package.version if package else "",
        new=one.new,
        suite=suite.name,
        security=suite.is_security,
        cause=Cause.DEPENDENCY,
        reason=f"apt: what becomes of {asked} {said}",
        in_base=one.package in contents.own,
    )


def apply_moves(entry: LockedImage, base: Mapping[str, str], moves: Iterable[Move]) -> LockedImage:
    """The lock's entry of an image after the moves."""
    packages = dict(entry.packages)
    for move in moves:
        if move.new:
            packages[move.package] = move.new
        else:
            packages.pop(move.package, None)
    return LockedImage(entry.base, beyond(base, packages))
