"""What libvirt's formula makes of a machine whose guests come from and go to others, rendered by Salt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.formulas.metadata import read_metadata

from .conftest import Formula

BUNDLED = Path(__file__).parents[3] / "formulas"
TLS = {"enabled": True, "ca": "the ca", "certificate": "the certificate", "key": "the key"}


def libvirt(formula: Formula, **server: Any) -> Formula:
    return Formula(formula.worker, BUNDLED / "libvirt", {"libvirt": {"server": {"enabled": True, **server}}})


def test_a_machine_alone_listens_to_no_other(formula: Formula) -> None:
    compiled = libvirt(formula).compile("libvirt", kinds=("container",))
    process = read_metadata("node", compiled.metadata).processes["libvirtd"]
    assert "--listen" not in str(process.command)
    assert not [chunk for chunk in compiled.chunks if "/etc/pki" in str(chunk.raw)]


@pytest.mark.parametrize(
    ("kind", "mode", "qemu_mode"),
    [("ca", "0644", "0644"), ("certificate", "0644", "0644"), ("key", "0600", "0640")],
)
def test_who_may_read_what_it_shows_to_others(formula: Formula, kind: str, mode: str, qemu_mode: str) -> None:
    compiled = libvirt(formula, tls=TLS).compile("libvirt")
    shown = [chunk.raw for chunk in compiled.chunks if chunk.raw.get("contents_pillar", "").endswith(f":{kind}")]
    assert len(shown) > 1
    for args in shown:
        guests = args["name"].startswith("/etc/pki/qemu/")
        expected = ("libvirt-qemu", qemu_mode) if guests else ("root", mode)
        assert (args["group"], args["mode"]) == expected, args["name"]


def test_its_container_listens_and_has_the_certificates(formula: Formula) -> None:
    compiled = libvirt(formula, tls=TLS).compile("libvirt", kinds=("container",))
    process = read_metadata("node", compiled.metadata).processes["libvirtd"]
    assert "libvirtd --listen &" in str(process.command)
    assert "/etc/pki" in process.files
    assert "the key" not in str(compiled.metadata)
