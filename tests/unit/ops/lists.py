"""Small package lists for the tests of this folder."""

from __future__ import annotations

from saltern.ops.contents import Contents, Package
from saltern.ops.index import Index, Suite, make_index

MAIN = Suite("bookworm", "Debian")
UPDATES = Suite("bookworm-updates", "Debian")
SECURITY = Suite("bookworm-security", "Debian-Security")
BACKPORTS = Suite("bookworm-backports", "Debian Backports", priority=100)
EXPERIMENTAL = Suite("experimental", "Debian", priority=1)


def paragraph(name: str, version: str, source: str = "", **more: str) -> str:
    fields = {"Package": name, "Source": source, "Version": version, "Architecture": "amd64", **more}
    lines = [f"{key.replace('_', '-')}: {value}" for key, value in fields.items() if value]
    return "\n".join([*lines, "Description: text", " Version: of a continuation line"])


def index_of(*lists: tuple[Suite, list[str]], names: str = "") -> Index:
    texts = [(suite, "\n\n".join(paragraphs) + "\n") for suite, paragraphs in lists]
    wanted = names.split() or [p.split("\n")[0].removeprefix("Package: ") for _, ps in lists for p in ps]
    return make_index(texts, wanted)


def contents_of(image: str = "web", own: str = "", **packages: str) -> Contents:
    found = {
        name.replace("_", "-"): Package(name.replace("_", "-"), *version.split()) for name, version in packages.items()
    }
    return Contents(image, "debian-12", found, "sbom", f"localhost/cloud/{image}:1", own=frozenset(own.split()))
