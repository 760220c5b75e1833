"""Takes the items of one node and proves each by a restore into throw-away volumes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltern.base.errors import BackupError, Problem
from saltern.base.events import Emit, Event, State
from saltern.formulas.backups import CommandItem, Item, VolumeItem
from saltern.images.engine import Engine, Runtime
from saltern.ops.backup import command, volume
from saltern.ops.backup.catalogue import Kept
from saltern.ops.backup.digests import Entry, difference
from saltern.ops.backup.instance import Instance, throwaway
from saltern.ops.backup.safe import disk_errors, sha256, store

STAGE = "backup"
DIGEST = ".digest"


@dataclass(frozen=True)
class Taker:
    """What taking needs: the engine, a private folder for plain data, and where it is kept for whom."""

    engine: Engine
    """Of this machine, where backups are proven."""
    work: Path
    folder: Path
    recipients: Sequence[Any]
    emit: Emit
    elsewhere: Runtime | None = None
    """Where the cloud runs, when that is not this machine."""

    @property
    def runtime(self) -> Runtime:
        """Where the cloud runs."""
        return self.elsewhere or self.engine

    def take(self, instance: Instance, item: Item) -> Kept:
        """Take, prove and keep one item. Raises BackupError with the reason; nothing of the running cloud changes."""
        subject, begun = f"{instance.workload}/{item.name}", time.monotonic()
        self.emit(Event(STAGE, subject, State.STARTED, "take and prove"))
        plain = self.work / f"{instance.workload}-{item.name}"
        try:
            with disk_errors(self.work):
                kept = self._take(instance, item, plain)
        except BackupError as error:
            self.emit(Event(STAGE, subject, State.FAILED, error.problems[0].brief, time.monotonic() - begun))
            raise
        finally:
            plain.unlink(missing_ok=True)
        self.emit(Event(STAGE, subject, State.DONE, kept.proof, kept.seconds))
        return kept

    def _take(self, instance: Instance, item: Item, plain: Path) -> Kept:
        begun = time.monotonic()
        if isinstance(item, CommandItem):
            lines = command.dump(self.runtime, instance, item, plain)
            moving: tuple[str, ...] = ()
            self._prove_command(instance, item, plain, lines)
            proof = f"restored into throw-away volumes: {len(lines)} lines of its digest are equal"
        else:
            found, moving = self._pack(instance, item, plain)
            self._prove_volume(instance, item, plain, found)
            lines = tuple(map(str, found))
            files = sum(1 for entry in found if entry.what.startswith("file"))
            proof = f"restored into a throw-away volume: {files} files are equal by SHA-256, all by owner and mode"
            if moving:
                proof += f"; {len(moving)} changed while they were read"
        file = store(plain, self.folder / plain.name, self.recipients)
        plain.write_text("".join(f"{line}\n" for line in lines))
        digest_file = store(plain, self.folder / f"{plain.name}{DIGEST}", self.recipients)
        return Kept(
            workload=instance.workload,
            node=instance.node,
            item=item.name,
            kind="command" if isinstance(item, CommandItem) else "volume",
            image=instance.image,
            file=file.name,
            size=file.stat().st_size,
            sha256=sha256(file),
            digest_file=digest_file.name,
            digest_sha256=sha256(digest_file),
            proof=proof,
            seconds=time.monotonic() - begun,
            moving=moving,
        )

    def _prove_command(self, instance: Instance, item: CommandItem, plain: Path, lines: tuple[str, ...]) -> None:
        with throwaway(self.engine, instance) as other:
            found = command.restore(self.engine, other, item, plain)
        refuse_difference(instance, item, lines, found)

    def _pack(self, instance: Instance, item: VolumeItem, plain: Path) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
        """Read a volume, and once more to see what changed meanwhile: what did not is proven to be the volume's."""
        name = instance.volume(item.volume).volume
        found = volume.pack(self.runtime, instance.image, name, plain, item.timeout)
        again = set(volume.entries(self.runtime, instance.image, name, item.timeout))
        moving = tuple(e.path for e in found if e not in again and not e.what.startswith("folder"))
        return found, moving

    def _prove_volume(self, instance: Instance, item: VolumeItem, plain: Path, found: tuple[Entry, ...]) -> None:
        with throwaway(self.engine, instance) as other:
            name = other.volume(item.volume).volume
            volume.unpack(self.engine, instance.image, name, plain, item.timeout)
            restored = volume.entries(self.engine, instance.image, name, item.timeout)
        refuse_difference(instance, item, [*map(str, found)], [*map(str, restored)])


def refuse_difference(instance: Instance, item: Item, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Raise a BackupError when what was restored is not what was taken."""
    if list(wanted) != list(found):
        raise BackupError(
            Problem(
                f"{instance.workload}: {item.name}, when restored, is not what was taken",
                details=difference(wanted, found),
                resolution="lines with - are missing, lines with + should not be there",
                node=instance.node,
            )
        )
