"""``saltern registry``: a registry on this machine, and what the cloud's has."""

from __future__ import annotations

import os
from pathlib import Path

import click

from saltern.cli.context import ALL_TARGETS, Caller, common_options, examples, model_options
from saltern.cli.report import print_json, print_table
from saltern.images import serving
from saltern.project import registries


@click.group("registry")
def registry_group() -> None:
    """Run a registry on this machine, or see what the cloud's has.

    \b
    Examples:
      saltern registry run            until Ctrl-C
      saltern registry list           the cloud's images in it
    """


@registry_group.command(
    "run",
    epilog=examples(
        "saltern registry run", "saltern registry run --address 127.0.0.1:5056 --folder /srv/registry --json"
    ),
)
@click.option(
    "--address",
    metavar="HOST:PORT",
    default="",
    help=f"Where it listens. Default: `registry` of saltern.yml if that is this machine, else {registries.ADDRESS}.",
)
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where its data are. Default: ~/.local/share/saltern/registry.",
)
@model_options
def run_command(caller: Caller, *, address: str, folder: Path | None) -> None:
    """Run Debian's docker-registry until Ctrl-C or SIGTERM; what was pushed stays in its folder.

    It speaks plain HTTP and asks nobody for a password: let it listen only where you trust all machines.
    """
    data = (folder or registries.data_folder()).absolute()
    place = serving.Place.of(address or registries.address_of(caller.model), data)
    if place.is_open:
        caller.stderr.print(f"warning: whoever reaches {place.address} can read and replace all images", style="yellow")
    serving.serve(caller.runner, place, lambda: _ready(caller, place))


def _ready(caller: Caller, place: serving.Place) -> None:
    if caller.json:
        print_json(caller, {"address": place.address, "folder": str(place.folder), "pid": os.getpid()})
    else:
        caller.stdout.print(f"Registry at {place.address}, data in {place.folder}; Ctrl-C ends it.", soft_wrap=True)
    caller.stdout.file.flush()


@registry_group.command("list", epilog=examples("saltern registry list", "saltern registry list --json"))
@common_options
def list_command(caller: Caller) -> None:
    """List the cloud's images in the registry of saltern.yml: tags, which are keys, and digests."""
    found = registries.listed(caller.project(targets=ALL_TARGETS))
    if caller.json:
        print_json(caller, [{"image": one.image, "tag": one.tag, "digest": one.digest} for one in found])
        return
    if not found:
        caller.stdout.print("The registry has no image of this cloud.")
        return
    print_table(caller, ("image", "tag", "digest"), [(one.image, one.tag, one.digest) for one in found])
