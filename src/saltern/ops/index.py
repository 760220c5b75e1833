"""What Debian's package index offers: suites and versions, read from apt's own lists. Pure.

Newer means what apt would install by itself: suites that are not automatic (backports, experimental) only count where
the installed version is newer than what the others have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from saltern.images.versions import compare, version_key

USUAL, AS_INSTALLED, NEVER = 500, 100, 1
"""apt's priorities of suites, see apt_preferences(5)."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of an archive, by its codename (``bookworm-security``) where it has one."""

    name: str
    label: str = ""
    date: str = ""
    """When the archive wrote it, as it says itself."""
    priority: int = USUAL

    @property
    def is_security(self) -> bool:
        """Whether updates from it are security updates."""
        return self.name.endswith("-security") or self.label.lower().endswith("-security")


@dataclass(frozen=True, slots=True)
class Offer:
    """A version of a binary package in a suite, with the archive's paragraph about it."""

    package: str
    version: str
    suite: Suite
    source: str
    source_version: str
    paragraph: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Index:
    """The offers of each package, the newest version first; of one version a security suite stands first."""

    offers: Mapping[str, tuple[Offer, ...]]
    suites: tuple[Suite, ...] = ()

    def offer(self, package: str, version: str) -> Offer | None:
        """The offer of exactly that version."""
        return next((offer for offer in self.offers.get(package, ()) if offer.version == version), None)

    def newer(self, package: str, installed: str) -> tuple[Offer, ...]:
        """What apt could replace an installed version with, the best first."""
        found = [
            offer
            for offer in self.offers.get(package, ())
            if offer.suite.priority >= AS_INSTALLED and compare(offer.version, installed) > 0
        ]
        return tuple(sorted(found, key=lambda offer: -offer.suite.priority))

    @property
    def release(self) -> str:
        """The distribution's codename (``bookworm``): the shortest that other suites are named after; "" for none."""
        names = sorted({suite.name for suite in self.suites}, key=lambda name: (name.count("-"), name))
        return names[0] if names else ""


def parse_release(text: str) -> Suite:
    """A suite from its Release or InRelease file."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key in _RELEASE:
            fields.setdefault(key, value.strip())
        elif key in ("MD5Sum", "SHA1", "SHA256"):
            break
    priority = USUAL
    if fields.get("NotAutomatic") == "yes":
        priority = AS_INSTALLED if fields.get("ButAutomaticUpgrades") == "yes" else NEVER
    name = fields.get("Codename") or fields.get("Suite") or ""
    return Suite(name, fields.get("Label", ""), fields.get("Date", ""), priority)


_RELEASE = frozenset({"Codename", "Suite", "Label", "Date", "NotAutomatic", "ButAutomaticUpgrades"})


def make_index(lists: Iterable[tuple[Suite, str]], names: Iterable[str]) -> Index:
    """The index of the named packages, from the suites and the texts of their Packages files."""
    wanted = frozenset(names)
    found: dict[str, list[Offer]] = {}
    suites = []
    for suite, text in lists:
        suites.append(suite)
        for paragraph in text.split("\n\n"):
            if _name(paragraph) in wanted and (offer := _offer(paragraph, suite)):
                found.setdefault(offer.package, []).append(offer)
    for offers in found.values():
        offers.sort(key=lambda offer: (offer.suite.is_security, version_key(offer.version), offer.suite.name))
        offers.sort(key=lambda offer: version_key(offer.version))
        offers.reverse()
    return Index({name: tuple(found[name]) for name in sorted(found)}, tuple(dict.fromkeys(suites)))


def _name(paragraph: str) -> str:
    """The package that a paragraph is about, found fast: archives write that field first."""
    first, _, rest = paragraph.lstrip("\n").partition("\n")
    if first.startswith("Package: "):
        return first[9:].strip()
    return next((line[9:].strip() for line in rest.split("\n") if line.startswith("Package: ")), "")


def _offer(paragraph: str, suite: Suite) -> Offer | None:
    fields = parse_paragraph(paragraph)
    if "Package" not in fields or "Version" not in fields:
        return None
    return Offer(fields["Package"], fields["Version"], suite, *source_of(fields), paragraph.strip("\n"))


def parse_paragraph(paragraph: str) -> dict[str, str]:
    """The fields of one paragraph of a control file; continuation lines are left out."""
    fields = {}
    for line in paragraph.splitlines():
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            fields[key] = value.strip()
    return fields


def source_of(fields: Mapping[str, str]) -> tuple[str, str]:
    """Name and version of the source package that a binary package was built from."""
    found = re.match(r"(\S+)(?:\s+\((.+)\))?$", fields.get("Source", ""))
    name, version = fields.get("Package", ""), fields.get("Version", "")
    return (found.group(1), found.group(2) or version) if found else (name, version)
