"""``saltern render``: what the targets get, as files, without touching what runs."""

from __future__ import annotations

from pathlib import Path

import click

from saltern.base.errors import Problem, UsageError
from saltern.cli.context import ALL_TARGETS, Caller, examples, rollout_options
from saltern.cli.report import counted, print_json, rendered
from saltern.project.documenting import Documented, document
from saltern.project.manifests import Manifests, render_manifests
from saltern.project.rendering import render
from saltern.targets.kubernetes import versions
from saltern.targets.kubernetes.manifest import SEPARATE

DOCS = "docs"


@click.command(
    "render",
    epilog=examples(
        "saltern render",
        "saltern render --target kubernetes manifests",
        "saltern render --target kubernetes --secrets --kubernetes-version 1.30 /run/manifests",
        "saltern render --target docs pages",
    ),
)
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--target",
    type=click.Choice((*ALL_TARGETS, DOCS)),
    default="compose",
    show_default=True,
    help="compose: the Compose file, in the cloud's state. kubernetes: manifests in DIR, of all nodes with containers. "
    "docs: pages about these nodes in DIR, for people.",
)
@click.option(
    "--kubernetes-version",
    default=versions.DEFAULT,
    show_default=True,
    metavar="VERSION",
    help="The version that manifests are for.",
)
@click.option("--secrets", is_flag=True, help="Write the values of secrets into manifests too, for your eyes only.")
@rollout_options
def render_command(caller: Caller, folder: Path | None, target: str, kubernetes_version: str, secrets: bool) -> None:
    """Build, render all configuration and write what the target reads, without touching what runs.

    For Kubernetes that is one object per file and a kustomization.yaml. Without --secrets, Secrets that hold some are
    in DIR/masked, as they may be shown, and no part of the kustomization. For docs nothing is built: each node gets a
    page in Markdown, and none has a secret in it.
    """
    if target == DOCS:
        if folder is None or secrets:
            resolution = "say where the pages shall be written, and leave --secrets out: pages have none"
            raise UsageError(Problem("docs need DIR, and nothing else", resolution=resolution))
        _documented(caller, document(caller.project(targets=ALL_TARGETS), folder))
        return
    if target == "kubernetes":
        if folder is None:
            raise UsageError(Problem("DIR is missing", resolution="say where the manifests shall be written"))
        project = caller.project(targets=ALL_TARGETS)
        _manifests(caller, render_manifests(project, folder, kubernetes_version, secrets=secrets))
        return
    if folder is not None or secrets:
        resolution = "add --target kubernetes, or leave them out: the Compose file lies in the cloud's state"
        raise UsageError(Problem("DIR and --secrets are for manifests", resolution=resolution))
    rendered(caller, render(caller.project()))


def _manifests(caller: Caller, done: Manifests) -> None:
    version = ".".join(map(str, done.version))
    masked = [] if done.secrets else [one for one in done.manifests if one.is_secret]
    if caller.json:
        objects = [
            {"kind": one.kind, "name": one.name, "file": f"{SEPARATE}/{one.path}" if one in masked else one.path}
            for one in done.manifests
        ]
        said = {"folder": str(done.folder), "namespace": done.namespace, "kubernetes_version": version}
        print_json(caller, {**said, "objects": objects, "masked": len(masked), "removed": list(done.removed)})
        return
    count = len(done.manifests)
    caller.stdout.print(f"{done.folder}: {count} objects for Kubernetes {version}, namespace {done.namespace}")
    if masked:
        caller.stdout.print(
            f"{len(masked)} Secrets are masked, in {done.folder / SEPARATE}: the cluster needs their values (--secrets)"
        )


def _documented(caller: Caller, done: Documented) -> None:
    if caller.json:
        said = {"folder": str(done.folder), "pages": list(done.pages), "removed": list(done.removed)}
        print_json(caller, said)
        return
    caller.stdout.print(f"{done.folder}: {counted(len(done.pages), 'page')}")
