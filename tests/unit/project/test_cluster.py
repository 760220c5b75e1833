"""What of a rendered tree goes into manifests."""

from __future__ import annotations

from pathlib import Path

from saltern.formulas.worker import ChangedFile
from saltern.project.cluster import entries
from saltern.targets.workload import ConfigMount
from tests.trees import write_tree


def test_owners_and_modes_are_those_of_the_answer(tmp_path: Path) -> None:
    """Who made the tree may not have been root; what no answer tells is as it is there."""
    write_tree(tmp_path, {"etc/web/a": "a", "etc/web/b": "b"})
    (tmp_path / "etc/web/link").symlink_to("a")
    (tmp_path / "etc/web/b").chmod(0o600)
    owned = {
        "/etc/web": ChangedFile("/etc/web", "directory", "0750", 42, 43),
        "/etc/web/a": ChangedFile("/etc/web/a", "file", "0440", 42, 43),
        "/etc/web/link": ChangedFile("/etc/web/link", "symlink", "0777", 7, 7, target="a"),
    }
    found = entries(ConfigMount(str(tmp_path / "etc/web"), "/etc/web", "x"), {}, owned)
    own = tmp_path.stat().st_uid
    assert [(one.path, one.kind, one.mode, one.uid) for one in found] == [
        ("/etc/web", "directory", 0o750, 42),
        ("/etc/web/a", "file", 0o440, 42),
        ("/etc/web/b", "file", 0o600, own),
        ("/etc/web/link", "symlink", 0o777, 7),
    ]
