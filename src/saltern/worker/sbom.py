"""SPDX 2.3 of what dpkg has installed. The same packages give the same document, byte for byte."""

from __future__ import annotations

import email.utils
import glob
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

PATH = "/usr/share/saltern/sbom.spdx.json"
STATUS = "/var/lib/dpkg/status"
LISTS = "/var/lib/apt/lists"
EPOCH = "1970-01-01T00:00:00Z"

Package = Mapping[str, str]


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a Debian control file; continuation lines are left out."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {}
        for line in paragraph.splitlines():
            key, separator, value = line.partition(":")
            if separator and not line[0].isspace():
                fields[key] = value.strip()
        if fields:
            yield fields


def installed(status: str = STATUS) -> list[dict[str, str]]:
    """The installed packages of a dpkg database, sorted by name and architecture."""
    texts = [Path(status).read_text(encoding="utf-8", errors="replace")] if Path(status).is_file() else []
    packages = [stanza for text in texts for stanza in stanzas(text) if stanza.get("Status", "").endswith(" installed")]
    return sorted(packages, key=lambda package: (package["Package"], package.get("Architecture", "")))


def date_of_lists(folder: str = LISTS) -> str:
    """The newest ``Date`` of the package lists in use, as SPDX writes it; :data:`EPOCH` without lists."""
    dates = []
    for path in (*glob.glob(f"{folder}/*InRelease"), *glob.glob(f"{folder}/*_Release")):
        found = re.search(r"^Date:\s*(.+)$", Path(path).read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if found:
            dates.append(email.utils.parsedate_to_datetime(found.group(1)).astimezone(UTC))
    return _stamp(max(dates)) if dates else EPOCH


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def document(packages: Sequence[Package], created: str) -> dict[str, Any]:
    """The whole document."""
    entries = [_entry(package) for package in packages]
    content = hashlib.sha256(
        "\n".join(f"{entry['SPDXID']} {entry['versionInfo']}" for entry in entries).encode()
    ).hexdigest()
    relations = [
        {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": entry["SPDXID"]}
        for entry in entries
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "saltern-image",
        "documentNamespace": f"urn:saltern:sbom:{content}",
        "creationInfo": {"created": created, "creators": ["Tool: saltern"]},
        "packages": entries,
        "relationships": relations,
    }


def _entry(package: Package) -> dict[str, Any]:
    name, version, architecture = package["Package"], package["Version"], package.get("Architecture", "all")
    source, source_version = _source(package)
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={quote(architecture)}"
    return {
        "SPDXID": "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{name}-{architecture}"),
        "name": name,
        "versionInfo": version,
        "supplier": _supplier(package.get("Maintainer", "")),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "LIBRARY" if package.get("Section", "").endswith("libs") else "APPLICATION",
        "sourceInfo": f"built from the source package {source} {source_version}",
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl},
        ],
    }


def _source(package: Package) -> tuple[str, str]:
    found = re.match(r"(\S+)(?:\s+\((.+)\))?$", package.get("Source", ""))
    if not found:
        return package["Package"], package["Version"]
    return found.group(1), found.group(2) or package["Version"]


def _supplier(maintainer: str) -> str:
    found = re.match(r"(.+?)\s*<(.+)>$", maintainer)
    if not found:
        return f"Organization: {maintainer}" if maintainer else "NOASSERTION"
    name = found.group(1).strip('"')
    return f"Organization: {name} ({found.group(2)})"
