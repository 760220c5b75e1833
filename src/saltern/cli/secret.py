"""``saltern secret``: the secrets that a model refers to, and those that lie encrypted in it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import click

from saltern.base.errors import Problem, UsageError
from saltern.base.process import LocalRunner
from saltern.cli.context import Caller, examples, secret_options
from saltern.cli.report import print_json, print_table
from saltern.project import safekeeping
from saltern.secrets.generate import LONGEST, SHORTEST, generate
from saltern.secrets.store import without_last_newline


@click.group(
    "secret",
    epilog=examples("saltern secret init", "saltern secret set keystone/admin_password", "saltern secret rekey"),
)
def secret_group() -> None:
    """Keep secrets out of the model's text: encrypted in it, for those who may read them.

    A value of the model refers to a secret by ?{age:NAME}, ?{env:VARIABLE}, ?{file:/PATH} or ?{vault:MOUNT/PATH#FIELD}.
    """


@secret_group.command("init", epilog=examples("saltern secret init", "saltern secret init --identity ~/keys/cloud.txt"))
@secret_options
def init_command(caller: Caller) -> None:
    """Make an identity of yours where there is none, and add you to those who can read the model's secrets."""
    found = safekeeping.init(caller.project())
    if caller.json:
        data = {"identity": str(found.identity), "made": found.made, "recipients": list(found.recipients)}
        print_json(caller, {**data, "added": list(found.added)})
        return
    caller.stdout.print(f"identity {found.identity}{' (new: keep a copy of it in a safe place)' if found.made else ''}")
    for recipient in found.recipients:
        caller.stdout.print(f"recipient {recipient}{' (added)' if recipient in found.added else ''}")


@secret_group.command("list", epilog=examples("saltern secret list", "saltern secret list --json"))
@secret_options
def list_command(caller: Caller) -> None:
    """List all secrets that the model has or refers to, who uses each, and what is wrong. Reads no value."""
    found = safekeeping.list_secrets(caller.project())
    if caller.json:
        rows = [
            {
                "reference": str(one.reference),
                "remark": one.remark,
                "nodes": list(one.nodes),
                "places": [str(place) for place in one.places],
            }
            for one in found
        ]
        print_json(caller, rows)
        return
    print_table(
        caller,
        ("secret", "nodes", "written at", "remark"),
        [(str(o.reference), ", ".join(o.nodes), ", ".join(map(str, o.places)), o.remark) for o in found],
    )


@secret_group.command(
    "set",
    epilog=examples(
        "saltern secret set keystone/admin_password",
        "saltern secret set keystone/admin_password --generate 32",
        "saltern secret set tls/key <key.pem",
    ),
)
@click.argument("name")
@click.option(
    "--generate", "length", type=click.IntRange(SHORTEST, LONGEST), metavar="N", help="Make a value of N characters."
)
@secret_options
def set_command(caller: Caller, name: str, length: int | None) -> None:
    """Encrypt a value as NAME: asked for, or read from standard input, or generated. Needs no identity."""
    value = generate(length) if length else _given(name)
    new = safekeeping.set_secret(caller.project(), name, value)
    _wrote(caller, [name], "new" if new else "replaced")


@secret_group.command(
    "get", epilog=examples("saltern secret get keystone/admin_password", "saltern secret get '?{vault:kv/cloud#token}'")
)
@click.argument("name")
@secret_options
def get_command(caller: Caller, name: str) -> None:
    """Print the value of NAME, or of a whole reference, and nothing else."""
    value = safekeeping.get_secret(caller.project(), name)
    if caller.json:
        print_json(caller, {"name": name, "value": value})
        return
    click.echo(value, nl=sys.stdout.isatty() and not value.endswith("\n"))


@secret_group.command("edit", epilog=examples("saltern secret edit tls/key", "EDITOR=nano saltern secret edit tls/key"))
@click.argument("name")
@secret_options
def edit_command(caller: Caller, name: str) -> None:
    """Change NAME in your editor ($VISUAL, $EDITOR, else vi), in a file that only memory holds."""
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")

    def edit(file: Path) -> bool:
        return LocalRunner().attend([*editor, str(file)]) == 0

    changed = safekeeping.edit_secret(caller.project(), name, edit)
    _wrote(caller, [name] if changed else [], "replaced")


@secret_group.command(
    "rotate", epilog=examples("saltern secret rotate keystone/admin_password", "saltern secret rotate --all")
)
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All encrypted secrets of the model.")
@secret_options
def rotate_command(caller: Caller, names: tuple[str, ...], *, every: bool) -> None:
    """Give NAMES new values of the same length and kind. `saltern up` then rolls what uses them."""
    if bool(names) == every:
        raise UsageError(Problem("say which secrets to rotate", resolution="give NAMES, or --all"))
    _wrote(caller, safekeeping.rotate(caller.project(), names), "new value")


@secret_group.command("rekey", epilog=examples("saltern secret rekey"))
@secret_options
def rekey_command(caller: Caller) -> None:
    """Encrypt all secrets again for the recipients of secrets/recipients.txt; do it when that file changed.

    Who was a recipient before has read the old values: rotate what they must not know.
    """
    _wrote(caller, safekeeping.rekey(caller.project()), "encrypted again")


def _given(name: str) -> str:
    if sys.stdin.isatty():
        value: str = click.prompt(name, hide_input=True, confirmation_prompt=True, err=True)
        return value
    try:
        return without_last_newline(sys.stdin.buffer.read().decode("utf-8"))
    except UnicodeDecodeError:
        raise UsageError(
            Problem("the value is no UTF-8 text; nothing was written", resolution="encode it, e.g. with base64")
        ) from None


def _wrote(caller: Caller, names: list[str] | tuple[str, ...], what: str) -> None:
    if caller.json:
        print_json(caller, {"written": list(names)})
        return
    for name in names:
        caller.stdout.print(f"{name}: {what}")
    if not names:
        caller.stdout.print("Nothing changed.")
