"""
Pillar and top data from a Saltern inventory.

.. code-block:: yaml

    pillar_dirs: [/path/to/saltern/salt]     # `saltern inventory salt-modules` prints it
    top_dirs: [/path/to/saltern/salt]
    ext_pillar:
    - saltern: {model: /srv/model}
    master_tops:
      saltern: {model: /srv/model}

Options: ``model``, the folder of the model; ``command``, the ``saltern`` command (default: as ``PATH`` finds it);
``timeout``, how many seconds it may take (default: 300).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from salt.exceptions import CommandExecutionError, SaltInvocationError

__opts__: dict[str, Any] = {}
"""The configuration; Salt's loader puts its own here."""


def ext_pillar(minion_id: str, _pillar: Mapping[str, Any], **options: Any) -> Any:
    """The minion's parameters; what they are made of stands below ``__reclass__``, as with reclass."""
    return _ask("pillar", minion_id, **options)


def top(opts: Mapping[str, Any], **_more: Any) -> Any:
    """The minion's applications by environment. Salt gives no options: they are read from the configuration."""
    options = __opts__["master_tops"]["saltern"]
    return _ask("top", opts["id"], **options)


def _ask(kind: str, minion_id: str, **options: Any) -> Any:
    given = {"model": "", "command": "saltern", "timeout": 300, **options}
    if unknown := sorted(set(given) - {"model", "command", "timeout"}):
        raise SaltInvocationError(f"saltern takes model, command and timeout, but not {', '.join(unknown)}")
    command, model, timeout = given["command"], given["model"], given["timeout"]
    if not model:
        raise SaltInvocationError("saltern needs model: the folder of the model")
    words = [command, "inventory", "--model", model, "--salt", kind, "--json", f"--nodeinfo={minion_id}"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise SaltInvocationError(f"there is no command {command!r}: give its path with command") from None
    except subprocess.TimeoutExpired:
        raise CommandExecutionError(f"{command} took more than {timeout} seconds for {minion_id}") from None
    if done.returncode:
        raise CommandExecutionError(_problems(done.stderr) or f"{command} returned {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def _problems(stderr: str) -> str:
    """The problems in one line, each with its first place; "" when there are none to read."""
    try:
        problems = json.loads(stderr.strip().splitlines()[-1])["problems"]
    except (IndexError, KeyError, TypeError, ValueError):
        return ""
    return "; ".join(_problem(problem) for problem in problems)


def _problem(problem: Mapping[str, Any]) -> str:
    place = next(iter(problem["places"]), None)
    where = f"{place['file']}:{place['line']}: " if place and place["line"] else ""
    return f"{where}{problem['brief']}"
