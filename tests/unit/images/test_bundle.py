"""Bundles: from one registry in memory into a file, and from there into another one."""

from __future__ import annotations

import io
import json
import stat
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from saltern.base.errors import RegistryError, UsageError
from saltern.base.events import Event, State, silent
from saltern.images.bundle import layout, saving
from saltern.images.bundle.layout import digest_of
from saltern.images.bundle.loading import Loaded, load
from saltern.images.bundle.reading import opened
from saltern.images.bundle.saving import Saved, save
from saltern.images.registry import Manifest, Registry

from .memory_registry import INDEX, MemoryRegistry

BASE, WEB, DB = b"base" * 1000, b"web" * 333, b""
NAMES = ("lab/db:k2", "lab/web:k1")


@pytest.fixture
def source() -> MemoryRegistry:
    """Two images with the same base, one as docker pushes it."""
    found = MemoryRegistry()
    found.add_image("lab/web:k1", [BASE, WEB], config=b'{"os":"linux"}')
    found.add_image("lab/db:k2", [BASE, DB], "docker")
    return found


def saved(source: MemoryRegistry, path: Path, names: tuple[str, ...] = NAMES) -> Saved:
    images = {name: (name.partition(":")[0], source.manifests[split(name)].digest) for name in names}
    return save(source.client, images, path, silent)


def split(name: str) -> tuple[str, str]:
    repository, _, tag = name.partition(":")
    return repository, tag


def loaded(path: Path, target: MemoryRegistry, below: str = "") -> tuple[Loaded, ...]:
    with opened(path, silent) as bundle:
        return load(bundle, target.client, f"{target.host}/{below}", silent)


def entries(path: Path) -> dict[str, bytes]:
    found = {}
    with tarfile.open(path) as archive:
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None
            found[entry.name] = content.read()
    return found


# ---- save


def test_the_same_images_are_the_same_bytes(source: MemoryRegistry, tmp_path: Path) -> None:
    first = saved(source, tmp_path / "a.tar")
    again = saved(source, tmp_path / "b.tar", NAMES[::-1])
    data = (tmp_path / "a.tar").read_bytes()
    assert data == (tmp_path / "b.tar").read_bytes()
    assert first == again
    assert (first.size, f"sha256:{first.sha256}") == (len(data), digest_of(data))


def test_an_oci_layout(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    found = entries(tmp_path / "a.tar")
    assert [*found] == sorted(found)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    images = {m["annotations"][layout.REF_NAME]: m for m in json.loads(found["index.json"])["manifests"]}
    assert {name: one["digest"] for name, one in images.items()} == {
        name: source.manifests[split(name)].digest for name in NAMES
    }
    for name, content in found.items():
        assert not name.startswith("blobs/") or name == f"blobs/sha256/{digest_of(content)[7:]}"
    assert len(found) == 2 + 2 + 2 + 3, "layout and index, manifests, configurations, layers: the shared one once"
    with tarfile.open(tmp_path / "a.tar") as archive:
        about = {(e.mode, e.mtime, e.uid, e.gid, e.uname, e.gname) for e in archive}
    assert about == {(0o644, 0, 0, 0, "", "")}


def test_a_shared_blob_is_asked_for_once_and_none_twice(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    blobs = [one.rpartition("/")[2] for one in source.asked if "/blobs/" in one]
    assert sorted(blobs) == sorted({digest for _, digest in source.blobs})


def test_progress_tells_the_blobs_that_take_their_time(source: MemoryRegistry, tmp_path: Path) -> None:
    events: list[Event] = []
    large = bytes(saving.TOLD)
    source.add_image("lab/web:k1", [BASE, large])
    save(source.client, {"lab/web:k1": ("lab/web", "k1")}, tmp_path / "a.tar", events.append)
    assert [(event.subject, event.state) for event in events] == [
        (digest_of(large)[7:19], State.STARTED),
        (digest_of(large)[7:19], State.DONE),
    ]
    assert events[0].text == "1.0 MB of lab/web"


@pytest.mark.parametrize("content", [BASE[:-1], b"x" * len(BASE), BASE + b"x", b""], ids=["cut", "other", "long", "no"])
def test_a_registry_that_gives_something_else(source: MemoryRegistry, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_text("the one before")
    source.blobs["lab/db", digest_of(BASE)] = content
    with pytest.raises(RegistryError, match="something else"):
        saved(source, path)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["the one before"]


def test_a_manifest_that_is_another_one(source: MemoryRegistry, tmp_path: Path) -> None:
    right = source.manifests["lab/web", "k1"].digest
    source.manifests["lab/web", right] = source.manifests["lab/db", "k2"]
    with pytest.raises(RegistryError, match="something else"):
        save(source.client, {"lab/web:k1": ("lab/web", right)}, tmp_path / "a.tar", silent)


def test_a_manifest_that_cannot_be_understood(source: MemoryRegistry, tmp_path: Path) -> None:
    source.add_manifest("lab/web", "old", Manifest("application/json", b'{"fsLayers": []}'))
    with pytest.raises(RegistryError, match="cannot be understood"):
        save(source.client, {"lab/web:old": ("lab/web", "old")}, tmp_path / "a.tar", silent)


def test_a_folder_that_is_not_there(source: MemoryRegistry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        saved(source, tmp_path / "none" / "a.tar")


def test_whoever_interrupts_leaves_nothing(source: MemoryRegistry, tmp_path: Path) -> None:
    def interrupt(_: Event) -> None:
        raise KeyboardInterrupt

    source.add_image("lab/web:k1", [BASE, bytes(saving.TOLD)])
    with pytest.raises(KeyboardInterrupt):
        save(source.client, {"lab/web:k1": ("lab/web", "k1")}, tmp_path / "a.tar", interrupt)
    assert [*tmp_path.iterdir()] == []


# ---- load


def test_what_is_loaded_has_the_same_digests(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    target = MemoryRegistry("127.0.0.1:5002")
    done = loaded(tmp_path / "a.tar", target)
    assert [(one.name, one.was) for one in done] == [(name, "new") for name in NAMES]
    assert target.manifests == source.manifests
    assert target.blobs == source.blobs
    assert len(target.sent) == len({*target.sent}) == 5, "the shared layer is sent once, and mounted the second time"


def test_below_a_path(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    target = MemoryRegistry("127.0.0.1:5002")
    loaded(tmp_path / "a.tar", target, "site/clouds/")
    assert {repository for repository, _ in target.manifests} == {"site/clouds/lab/web", "site/clouds/lab/db"}


def test_what_is_there_is_not_sent(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    target = MemoryRegistry("127.0.0.1:5002")
    loaded(tmp_path / "a.tar", target)
    target.sent.clear()
    target.asked.clear()
    assert {one.was for one in loaded(tmp_path / "a.tar", target)} == {"there"}
    assert {one.partition(" ")[0] for one in target.asked} == {"HEAD"}


def test_only_what_is_missing_is_sent(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    target = MemoryRegistry("127.0.0.1:5002")
    target.add_image("lab/db:k2", [BASE, DB], "docker")
    assert [one.was for one in loaded(tmp_path / "a.tar", target)] == ["there", "new"]
    assert sorted(target.sent) == sorted(map(digest_of, (WEB, b'{"os":"linux"}'))), "the base came from lab/db"


def test_a_tag_that_was_another_image_is_told(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar", ("lab/web:k1",))
    target = MemoryRegistry("127.0.0.1:5002")
    before = target.add_image("lab/web:k1", [DB]).digest
    [one] = loaded(tmp_path / "a.tar", target)
    assert (one.was, one.before) == ("moved", before)
    assert target.manifests["lab/web", "k1"].digest == one.digest != before


def test_an_index_of_images(source: MemoryRegistry, tmp_path: Path) -> None:
    parts = [source.add_image(f"lab/all:{name}", [BASE, name.encode()]) for name in ("amd64", "arm64")]
    whole = source.add_index("lab/all:k3", parts)
    saved(source, tmp_path / "a.tar", ("lab/all:k3",))
    target = MemoryRegistry("127.0.0.1:5002")
    [one] = loaded(tmp_path / "a.tar", target)
    assert one.digest == whole.digest
    assert {tag for _, tag in target.manifests} == {"k3", whole.digest, *(part.digest for part in parts)}


# ---- what is no bundle


def packed(path: Path, files: Mapping[str, bytes], *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for entry in more:
            archive.addfile(entry)
    return path


def refused(path: Path, sha256: str = "") -> list[str]:
    """What is said of a bad bundle; nothing of it may be handed over."""
    with pytest.raises(RegistryError) as caught, opened(path, silent, sha256):
        pytest.fail("it was opened")
    assert all(str(path) in problem.brief for problem in caught.value.problems)
    return [problem.brief.removeprefix(f"{path}: ") for problem in caught.value.problems]


@pytest.fixture
def good(source: MemoryRegistry, tmp_path: Path) -> dict[str, bytes]:
    saved(source, tmp_path / "good.tar")
    return entries(tmp_path / "good.tar")


def name_of(content: bytes) -> str:
    return f"blobs/sha256/{digest_of(content)[7:]}"


def test_one_of_other_tools(good: dict[str, bytes], tmp_path: Path) -> None:
    """Another order, entries that begin with ./, and folders as entries."""
    folders = [tarfile.TarInfo(name) for name in ("./blobs", "./blobs/sha256")]
    for folder in folders:
        folder.type = tarfile.DIRTYPE
    path = packed(tmp_path / "other.tar", {f"./{name}": good[name] for name in reversed(good)}, *folders)
    with opened(path, silent) as bundle:
        assert [image.name for image in bundle.images] == [*NAMES]


def test_cut_off_anywhere(good: dict[str, bytes], tmp_path: Path) -> None:
    whole = (tmp_path / "good.tar").read_bytes()
    end = len(whole) - 1024
    path = tmp_path / "cut.tar"
    for length in (*range(0, end, 256), end - 512, end - 1, end + 1):
        path.write_bytes(whole[:length])
        [said] = refused(path)
        assert "cut off" in said, length


def test_a_changed_byte_anywhere(good: dict[str, bytes], tmp_path: Path) -> None:
    """In a blob, or in a header. The index has no digest of its own: its bytes are what --sha256 is for."""
    whole = (tmp_path / "good.tar").read_bytes()
    path = tmp_path / "altered.tar"
    index = whole.index(b"index.json")
    for place in [*range(40, index, 509), index - 512 + 3]:
        if not whole[place]:
            continue
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert refused(path), place


def test_every_alteration_is_seen_by_the_sha256_of_the_file(good: dict[str, bytes], tmp_path: Path) -> None:
    whole = (tmp_path / "good.tar").read_bytes()
    right = digest_of(whole)
    with opened(tmp_path / "good.tar", silent, right), opened(tmp_path / "good.tar", silent, right[7:].upper()):
        pass
    path = tmp_path / "altered.tar"
    path.write_bytes(whole.replace(b"lab/web:k1", b"lab/web:k9"))
    with opened(path, silent):
        pass
    assert "another file than was saved" in refused(path, right)[0]


def test_all_problems_at_once(good: dict[str, bytes], tmp_path: Path) -> None:
    bad = {**good, name_of(WEB): b"worm", "../etc/passwd": b"root"}
    del bad[name_of(DB)]
    assert sorted(refused(packed(tmp_path / "bad.tar", bad))) == sorted(
        [
            f"the blob {digest_of(WEB)[7:19]} was altered",
            f"{digest_of(WEB)[7:19]}, a part of lab/web:k1, has 4 bytes, and should have {len(WEB)}",
            "'../etc/passwd' has no place in a bundle",
            f"{digest_of(DB)[7:19]}, a part of lab/db:k2, is missing",
        ]
    )


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "blobs/sha256/../../a", "blobs/sha512/" + "a" * 128, "blobs/sha256/ABC", "x"]
)
def test_entries_that_have_no_place(good: dict[str, bytes], tmp_path: Path, name: str) -> None:
    assert refused(packed(tmp_path / "bad.tar", {**good, name: b"x"})) == [f"{name!r} has no place in a bundle"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_entries_that_are_no_files(good: dict[str, bytes], tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo(name_of(WEB))
    entry.type, entry.linkname = kind, "oci-layout"
    del good[name_of(WEB)]
    said = refused(packed(tmp_path / "bad.tar", good, entry))
    assert f"{name_of(WEB)!r} has no place in a bundle" in said


def test_an_entry_that_is_there_twice(good: dict[str, bytes], tmp_path: Path) -> None:
    entry = tarfile.TarInfo("index.json")
    blob = tarfile.TarInfo(name_of(DB))
    assert refused(packed(tmp_path / "bad.tar", good, entry, blob)) == [
        "'index.json' is there twice",
        f"{name_of(DB)!r} is there twice",
    ]


Change = Callable[[dict[str, bytes]], object]


def with_index(change: Callable[[list[dict[str, object]]], object]) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        document = json.loads(files["index.json"])
        change(document["manifests"])
        files["index.json"] = json.dumps(document).encode()

    return apply


def manifest_added(data: bytes, media_type: str = INDEX) -> Change:
    """An image ``lab/bad:1`` with this manifest."""

    def apply(files: dict[str, bytes]) -> None:
        files[name_of(data)] = data
        about = {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
        with_index(lambda all_: all_.append({**about, "annotations": {layout.REF_NAME: "lab/bad:1"}}))(files)

    return apply


def nested(depth: int) -> Change:
    def apply(files: dict[str, bytes]) -> None:
        data = b'{"manifests": []}'
        for _ in range(depth):
            files[name_of(data)] = data
            about = {"mediaType": INDEX, "digest": digest_of(data), "size": len(data)}
            data = json.dumps({"manifests": [about, about]}).encode()
        manifest_added(data)(files)

    return apply


CHANGES: dict[str, tuple[Change, str]] = {
    "no index": (lambda files: files.pop("index.json"), "it has no index.json"),
    "no layout": (lambda files: files.pop("oci-layout"), "it has no oci-layout"),
    "neither": (
        lambda files: [files.pop(name) for name in ("index.json", "oci-layout")],
        "it has no oci-layout and no index.json",
    ),
    "another version": (
        lambda files: files.update({"oci-layout": b'{"imageLayoutVersion": "9"}'}),
        "oci-layout: the layout has version '9', known is 1.0.0",
    ),
    "no JSON": (lambda files: files.update({"index.json": b"{"}), "index.json: it is no JSON"),
    "no object": (lambda files: files.update({"index.json": b"[]"}), "index.json: it is no JSON object"),
    "no list": (lambda files: files.update({"index.json": b"{}"}), "index.json: it has no list 'manifests'"),
    "no name": (with_index(lambda all_: all_[0].pop("annotations")), "None, an image's name, is no repository:tag"),
    "a bad name": (
        with_index(lambda all_: all_[0].update(annotations={layout.REF_NAME: "../a:b"})),
        "'../a:b', an image's name, is no repository:tag",
    ),
    "a name twice": (with_index(lambda all_: all_.append(all_[0])), "two images are called lab/db:k2"),
    "no digest": (with_index(lambda all_: all_[0].update(digest="sha256:../x")), "'sha256:../x' is no SHA-256 digest"),
    "no size": (with_index(lambda all_: all_[0].update(size="1")), "has no size"),
    "another size": (with_index(lambda all_: all_[0].update(size=1)), "bytes, and should have 1"),
    "no type": (with_index(lambda all_: all_[0].pop("mediaType")), "has no media type"),
    "no image": (with_index(lambda all_: all_[0].update(mediaType="text/x")), "lab/db:k2 is no image but 'text/x'"),
    "no descriptor": (with_index(lambda all_: all_.append("x")), "a descriptor is no object"),  # type: ignore[arg-type]
    "a strange manifest": (manifest_added(b"{}"), "a manifest of lab/bad:1, cannot be understood"),
    "a large manifest": (manifest_added(b" " * (5 << 20)), "a manifest of lab/bad:1, is too large"),
    "a deep index": (nested(40), "a manifest of lab/bad:1, is too deep"),
}


@pytest.mark.parametrize(("change", "said"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_no_layout(good: dict[str, bytes], tmp_path: Path, change: Change, said: str) -> None:
    change(good)
    found = refused(packed(tmp_path / "bad.tar", good))
    assert len(found) == 1, found
    assert said in found[0]


def test_an_index_that_is_too_large(good: dict[str, bytes], tmp_path: Path) -> None:
    found = refused(packed(tmp_path / "bad.tar", {**good, "index.json": bytes(5 << 20)}))
    assert found == ["'index.json' is too large", "it has no index.json"]


@pytest.mark.parametrize("content", [b"", b"x" * 4000, b"\x1f\x8b" + b"x" * 4000], ids=["empty", "text", "gzip"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    assert refused(path) == ["it is no bundle, or it is cut off"]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"), opened(tmp_path / "none.tar", silent):
        pytest.fail("it was opened")


def test_a_file_that_changes_after_it_was_checked(source: MemoryRegistry, tmp_path: Path) -> None:
    """The registry compares too: what came is refused, and no tag is made."""
    path = tmp_path / "a.tar"
    saved(source, path)
    target = MemoryRegistry("127.0.0.1:5002")
    with opened(path, silent) as bundle:
        path.write_bytes(path.read_bytes().replace(WEB, WEB[::-1]))
        with pytest.raises(RegistryError, match="refused a request"):
            load(bundle, target.client, f"{target.host}/", silent)
    assert ("lab/web", "k1") not in target.manifests


def test_the_bundle_can_be_read_by_others(source: MemoryRegistry, tmp_path: Path) -> None:
    saved(source, tmp_path / "a.tar")
    assert stat.S_IMODE((tmp_path / "a.tar").stat().st_mode) == 0o644


# ---- the registry's lists


def test_lists_come_in_pages() -> None:
    found = MemoryRegistry()
    for number in range(5):
        found.add_image(f"lab/a{number}:t", [BASE])
        found.add_image(f"lab/a0:t{number}", [BASE])
    assert found.client.repositories() == tuple(f"lab/a{number}" for number in range(5))
    assert found.client.tags("lab/a0") == ("t", *(f"t{number}" for number in range(5)))
    assert found.client.tags("lab/none") == ()


def test_a_blob_comes_in_parts(source: MemoryRegistry) -> None:
    chunks: Iterator[bytes] = source.client.blob("lab/web", digest_of(BASE), len(BASE))
    assert [len(chunk) for chunk in chunks] == [len(BASE) // 2] * 2


def test_whether_it_answers(source: MemoryRegistry) -> None:
    assert source.client.answers()
    assert not Registry("127.0.0.1:9").answers()
