"""Which packages of images have newer versions, and which of these are security updates. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from saltern.ops.contents import Contents, Package
from saltern.ops.index import Index, Offer
from saltern.ops.tracker import Fix, Tracker


@dataclass(frozen=True, slots=True)
class Update:
    """A newer version of a package of an image."""

    image: str
    package: str
    installed: str
    newest: str
    suite: str
    security: bool
    source: str
    in_base: bool
    """The installed version is the base's."""
    fixes: tuple[Fix, ...] = ()
    tag: str = ""
    stale: bool = False
    """Of the image: it runs, but the model asks for another one by now."""


def find_updates(contents: Contents, index: Index, tracker: Tracker | None = None) -> tuple[Update, ...]:
    """The packages of an image that the index has newer versions of, by name."""
    return tuple(_updates(contents.with_sources(index), index, tracker))


def _updates(contents: Contents, index: Index, tracker: Tracker | None) -> Iterator[Update]:
    for name in sorted(contents.packages):
        package = contents.packages[name]
        newer = index.newer(name, package.version)
        if newer:
            fixes = _fixes(package, newer[0], index.release, tracker)
            yield Update(
                image=contents.image,
                package=name,
                installed=package.version,
                newest=newer[0].version,
                suite=newer[0].suite.name,
                security=bool(fixes) or any(offer.suite.is_security for offer in newer),
                source=newer[0].source,
                in_base=name in contents.own,
                fixes=fixes,
                tag=contents.tag,
                stale=contents.stale,
            )


def _fixes(package: Package, newest: Offer, release: str, tracker: Tracker | None) -> tuple[Fix, ...]:
    if tracker is None:
        return ()
    installed = package.source_version or package.version
    return tracker.fixes(release, package.source or newest.source, installed, newest.source_version)


def not_in_index(contents: Contents, index: Index) -> tuple[str, ...]:
    """The packages that the index has in no version: they come from elsewhere."""
    return tuple(sorted(name for name in contents.packages if not index.offers.get(name)))
