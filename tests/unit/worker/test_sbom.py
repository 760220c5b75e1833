"""The SBOM of a dpkg database."""

from __future__ import annotations

import json
from pathlib import Path

from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from saltern.worker import sbom

STATUS = """\
Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u13
Section: libs
Description: GNU C Library
 and more: text

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: g++-12
Status: install ok installed
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 4:12.2.0-3
"""


def test_document_is_valid_spdx_and_names_what_dpkg_has(tmp_path: Path) -> None:
    (tmp_path / "status").write_text(STATUS)
    document = sbom.document(sbom.installed(str(tmp_path / "status")), "2026-11-01T10:00:00Z")
    messages = validate_full_spdx_document(JsonLikeDictParser().parse(json.loads(json.dumps(document))))
    assert messages == []
    plus, libc = document["packages"]
    assert libc["versionInfo"] == "2.36-9+deb12u13"
    assert libc["supplier"] == "Organization: GNU Libc Maintainers (debian-glibc@lists.debian.org)"
    purl = libc["externalRefs"][0]["referenceLocator"]
    assert purl == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u13?arch=amd64"
    assert plus["sourceInfo"] == "built from the source package gcc-12 12.2.0-14"
    assert sbom.document(sbom.installed(str(tmp_path / "status")), "2026-11-01T10:00:00Z") == document


def test_date_is_that_of_the_newest_list(tmp_path: Path) -> None:
    assert sbom.date_of_lists(str(tmp_path)) == sbom.EPOCH
    (tmp_path / "a_InRelease").write_text("Origin: Debian\nDate: Sat, 10 May 2025 09:00:00 UTC\n")
    (tmp_path / "b_InRelease").write_text("Date: Sat, 06 Sep 2025 08:00:00 UTC\n")
    assert sbom.date_of_lists(str(tmp_path)) == "2025-09-06T08:00:00Z"
