"""Package lists as archives write them."""

from __future__ import annotations

from saltern.ops.apt import Moved, Target, parse_simulation, parse_targets
from saltern.ops.index import Suite, make_index, parse_release

from .lists import BACKPORTS, EXPERIMENTAL, MAIN, SECURITY, UPDATES, index_of, paragraph

RELEASE = """\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: Debian-Security
Suite: oldstable-security
Codename: bookworm-security
Date: Sun, 22 Nov 2026 10:00:00 UTC
Acquire-By-Hash: yes
SHA256:
 0000 1234 main/binary-amd64/Packages
Codename: not-this
"""


def test_a_release_file() -> None:
    suite = parse_release(RELEASE)
    assert suite == Suite("bookworm-security", "Debian-Security", "Sun, 22 Nov 2026 10:00:00 UTC", 500)
    assert suite.is_security


def test_suites_that_are_not_automatic() -> None:
    assert parse_release("Codename: x\nNotAutomatic: yes\n").priority == 1
    assert parse_release("Suite: x\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n") == Suite("x", priority=100)
    assert not parse_release("Codename: bookworm\nLabel: Debian\n").is_security


def test_only_the_named_packages_are_read() -> None:
    index = index_of((MAIN, [paragraph("a", "1"), paragraph("b", "1")]), names="b c")
    assert list(index.offers) == ["b"]


def test_a_paragraph_that_does_not_begin_with_its_name() -> None:
    index = make_index([(MAIN, "\n\nVersion: 2\nPackage: a\n\n\nPackage: b\n")], ["a", "b"])
    assert [(o.package, o.version, o.source, o.source_version) for o in index.offers["a"]] == [("a", "2", "a", "2")]
    assert "b" not in index.offers  # it has no version


def test_sources() -> None:
    index = index_of((MAIN, [paragraph("a", "1+b1", "s (1)"), paragraph("c", "1", "s")]))
    assert [(o[0].source, o[0].source_version) for o in index.offers.values()] == [("s", "1"), ("s", "1")]


def test_newer_versions_the_best_first() -> None:
    index = index_of(
        (MAIN, [paragraph("a", "1.2")]), (SECURITY, [paragraph("a", "1.10")]), (UPDATES, [paragraph("a", "1.9")])
    )
    assert [offer.version for offer in index.newer("a", "1.2")] == ["1.10", "1.9"]
    assert index.newer("a", "1.10") == ()
    assert index.newer("b", "0") == ()


def test_a_version_in_two_suites_is_a_security_update() -> None:
    for lists in ((MAIN, SECURITY), (SECURITY, MAIN)):
        index = index_of(*((suite, [paragraph("a", "2")]) for suite in lists))
        assert index.newer("a", "1")[0].suite is SECURITY


def test_backports_count_where_nothing_else_is_newer() -> None:
    index = index_of(
        (MAIN, [paragraph("a", "2")]), (BACKPORTS, [paragraph("a", "5")]), (EXPERIMENTAL, [paragraph("a", "9")])
    )
    assert [offer.version for offer in index.newer("a", "1")] == ["2", "5"]
    assert [offer.version for offer in index.newer("a", "4")] == ["5"]
    assert index.newer("a", "5") == ()


def test_the_release() -> None:
    assert index_of((SECURITY, []), (BACKPORTS, []), (MAIN, [])).release == "bookworm"
    assert index_of().release == ""


LISTS = "/var/lib/apt/lists"


def test_targets() -> None:
    text = f"{LISTS}/m_dists_b_main_binary-amd64_Packages|main/binary-amd64/Packages\n{LISTS}/gone|main/x\nnoise\n"
    present = ["m_dists_b_main_binary-amd64_Packages", "m_dists_b_Release", "m_dists_b_InRelease"]
    assert parse_targets(text, present) == (Target(present[0], "m_dists_b_InRelease"),)
    assert parse_targets(text, present[:2]) == (Target(present[0], "m_dists_b_Release"),)
    assert parse_targets(text, present[:1]) == ()


SIMULATION = """\
NOTE: This is only a simulation!
Inst redis-tools [5:7.0.15-1~deb12u7] (5:7.0.15-1~deb12u10 Debian-Security:12/oldstable-security [amd64]) []
Inst libnew (1.0 Debian:12.1/oldstable [amd64])
Remv libold [0.9]
Remv twice [1]
Inst twice [1] (2 Debian:12.1/oldstable [amd64])
Conf libnew (1.0 Debian:12.1/oldstable [amd64])
"""


def test_a_simulation() -> None:
    assert parse_simulation(SIMULATION) == (
        Moved("libnew", "", "1.0"),
        Moved("libold", "0.9", ""),
        Moved("redis-tools", "5:7.0.15-1~deb12u7", "5:7.0.15-1~deb12u10"),
        Moved("twice", "1", "2"),
    )
