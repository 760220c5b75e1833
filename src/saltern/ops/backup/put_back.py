"""Puts the items of one node back into its data volumes, and proves that they are what was taken.

Nothing of the node runs meanwhile; the caller has stopped it. The files were decrypted before.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import BackupError, Problem
from saltern.base.events import Emit, Event, State
from saltern.formulas.backups import CommandItem, Item, VolumeItem
from saltern.images.engine import Runtime
from saltern.ops.backup import command, volume
from saltern.ops.backup.instance import Instance, volume_labels
from saltern.ops.backup.take import refuse_difference

STAGE = "restore"


@dataclass(frozen=True)
class Plain:
    """An item's two files as plain text: the data, and the lines of its digest."""

    data: Path
    digest: tuple[str, ...]
    image: str = ""
    """The image that it was taken from."""


@dataclass(frozen=True)
class PutBack:
    """What putting back needs."""

    runtime: Runtime
    emit: Emit

    def put(self, instance: Instance, items: Mapping[Item, Plain]) -> tuple[Problem, ...]:
        """Put items back, in their order, in place of what the node's volumes hold. Raises BackupError.

        A command gets all volumes that are no item of their own, new and empty. Returns warnings: another image may be
        another version of the service, and say the same data in other words.
        """
        warnings: list[Problem] = []
        self._renew(instance, tuple(items))
        for item, plain in items.items():
            subject, begun = f"{instance.workload}/{item.name}", time.monotonic()
            self.emit(Event(STAGE, subject, State.STARTED, "put back and compare"))
            try:
                other = self._put(instance, item, plain)
            except BackupError as error:
                self.emit(Event(STAGE, subject, State.FAILED, error.problems[0].brief, time.monotonic() - begun))
                raise
            warnings += other
            text = "is what was taken, in other words" if other else "is what was taken"
            self.emit(Event(STAGE, subject, State.DONE, text, time.monotonic() - begun))
        return tuple(warnings)

    def _renew(self, instance: Instance, items: tuple[Item, ...]) -> None:
        own = {instance.volume(item.volume).volume for item in items if isinstance(item, VolumeItem)}
        if any(isinstance(item, CommandItem) for item in items):
            self.runtime.remove_volumes([one.volume for one in instance.volumes if one.volume not in own])
            own = {one.volume for one in instance.volumes}
        for name in sorted(own):
            self.runtime.create_volume(name, volume_labels(instance))

    def _put(self, instance: Instance, item: Item, plain: Plain) -> tuple[Problem, ...]:
        if isinstance(item, CommandItem):
            found = command.restore(self.runtime, instance, item, plain.data)
        else:
            name = instance.volume(item.volume).volume
            volume.unpack(self.runtime, instance.image, name, plain.data, item.timeout)
            found = tuple(map(str, volume.entries(self.runtime, instance.image, name, item.timeout)))
        try:
            refuse_difference(instance, item, plain.digest, found)
        except BackupError as error:
            if isinstance(item, VolumeItem) or _key(plain.image) in ("", _key(instance.image)):
                raise
            return (_in_other_words(instance, item, plain, error.problems[0].details),)
        return ()


def _key(image: str) -> str:
    """What tells images apart: the tag, which is the key of what is in it, whatever the cloud or the registry."""
    return image.rpartition(":")[2]


def _in_other_words(instance: Instance, item: Item, plain: Plain, details: str) -> Problem:
    return Problem(
        f"{instance.workload}: {item.name} was put back into another image, and is described differently there",
        details=f"taken from {plain.image}, put back into {instance.image}\n{details}",
        resolution="look whether the lines say the same; else take the model of that time and restore again",
        node=instance.node,
    )
