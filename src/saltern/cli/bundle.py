"""``saltern bundle``: all images of a revision as one file."""

from __future__ import annotations

from pathlib import Path

import click

from saltern.cli.context import ALL_TARGETS, Caller, common_options, examples, progress_options
from saltern.cli.report import counted, print_json, print_table
from saltern.project import bundling
from saltern.project.registries import registry_of


@click.group("bundle")
def bundle_group() -> None:
    """Carry all images of a cloud to where no registry of yours can be reached, as one OCI archive.

    \b
    Examples:
      saltern bundle save cloud.tar                                   where the images are built
      saltern bundle load cloud.tar --registry registry.example:5000     where they run
    """


@bundle_group.command(
    "save",
    epilog=examples(
        "saltern bundle save cloud.tar",
        "saltern bundle save cloud.tar --target kubernetes",
        "saltern bundle save before.tar --revision 4 --json",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--revision", metavar="REV", default="", help="Of this revision instead of the model as it is.")
@click.option(
    "--target",
    type=click.Choice(ALL_TARGETS),
    help="kubernetes: with the images that its jobs need besides those of the nodes. Default: as saltern.yml says.",
)
@common_options
def save_command(caller: Caller, *, file: Path, revision: str, target: str | None) -> None:
    """Write all images of a revision to FILE, an OCI archive; equal images give equal bytes.

    What is missing is built and pushed to the registry first, and FILE is made of what the registry has. REV is a
    revision's id or the number of a rollout, as `saltern history` lists them. A cluster is not asked.
    """
    project = caller.project(targets=ALL_TARGETS)
    done = bundling.save_bundle(project, file, target or project.settings.target, revision)
    if caller.json:
        images = [{"name": one.name, "digest": one.manifest.digest} for one in done.images]
        print_json(caller, {"file": str(file), "size": done.size, "sha256": done.sha256, "images": images})
        return
    print_table(caller, ("image", "digest"), [(one.name, one.manifest.digest) for one in done.images])
    said = f"{counted(len(done.images), 'image')}, {done.size / 1e6:.1f} MB"
    caller.stdout.print(f"\n{file}: {said}\nSHA-256 {done.sha256}", soft_wrap=True)


@bundle_group.command(
    "load",
    epilog=examples(
        "saltern bundle load cloud.tar",
        "saltern bundle load cloud.tar --registry registry.example:5000/clouds",
        "saltern bundle load cloud.tar --sha256 $(cat cloud.tar.sha256) --json",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--registry", metavar="ADDRESS", default="", help="Load into this one. Default: the one of saltern.yml.")
@click.option("--sha256", metavar="DIGEST", default="", help="Refuse any other FILE; `bundle save` told it.")
@progress_options
def load_command(caller: Caller, *, file: Path, registry: str, sha256: str) -> None:
    """Bring the images of FILE to a registry, with the digests that they had; what it has is not sent again.

    All of FILE is read and every digest compared before anything is sent. With --registry no model is needed.
    """
    address = registry or registry_of(caller.model)
    done = bundling.load_bundle(file, address, caller.progress(), sha256)
    if caller.json:
        images = [{"name": one.name, "digest": one.digest, "was": one.was, "before": one.before} for one in done]
        print_json(caller, {"registry": address, "images": images})
        return
    print_table(caller, ("image", "digest", "was"), [(one.name, one.digest, _WAS[one.was]) for one in done])


_WAS = {"there": "there", "new": "sent", "moved": "sent; the tag was another image"}
