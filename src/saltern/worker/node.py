"""One node as Salt sees it: options, pillar, grains and formula roots, taken from a request.

Salt is told to look at nothing of the machine: no minion configuration, no grains of its own, no cache outside the
work folder.
"""

from __future__ import annotations

import atexit
import ctypes.util
import glob
import inspect
import logging
import os
import pickle
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from . import explain
from . import grains as fixed
from .problem import Problem, Problems


@cache
def prepare() -> Any:
    """Import Salt, bend the few places that would look at the machine, and return the options that all nodes share."""
    _offer_own_libraries()
    import salt._logging
    import salt.config
    import salt.loader
    import salt.state
    import salt.utils.network
    import salt.utils.secret
    import salt.version

    from . import compat, files, warm

    logging.disable(logging.CRITICAL)  # Salt's log may show pillar; what went wrong is in the answers
    work = tempfile.mkdtemp(prefix="saltern-worker-")
    atexit.register(shutil.rmtree, work, ignore_errors=True)
    options = salt.config.minion_config(None)
    options.update(
        {
            "file_client": "local",
            "local": True,
            "use_master_when_local": False,
            "root_dir": work,
            "conf_file": f"{work}/minion",
            "config_dir": work,
            "cachedir": f"{work}/cache",
            "pki_dir": f"{work}/pki",
            "sock_dir": f"{work}/run",
            "log_file": f"{work}/log",
            "extension_modules": f"{work}/extmods",
            "pidfile": f"{work}/pid",
            "autoload_dynamic_modules": False,
            "grains_cache": False,
            "enable_fqdns_grains": False,
            "multiprocessing": False,
            "hash_type": "sha256",
            "state_events": False,
            "state_aggregate": False,
            "fips_mode": False,
            "test": False,
            "saltenv": files.ENVIRONMENT,
            "pillarenv": None,
            "fileserver_backend": ["roots"],
            "renderer": "jinja|yaml",
            "failhard": False,
            "features": {},
        }
    )
    Path(work, "cache").mkdir()
    files.install()
    compat.install()
    warm.install()
    salt.utils.secret.mask_pillar.set(False)  # states get real values; nothing here prints a pillar
    salt.loader.grains = lambda opts, *_args, **_kwargs: opts["grains"]
    salt.state.State._gather_pillar = lambda self: self.opts["pillar"]
    return options


def _offer_own_libraries() -> None:
    """Let ``ctypes`` find the toolchain's libraries: a minimal base has no libcrypto, which Salt loads by that way."""
    find = ctypes.util.find_library
    own = os.path.join(sys.prefix, "lib")

    def find_library(name: str) -> str | None:
        found = sorted(glob.glob(os.path.join(own, f"lib{name}.so*")))
        return found[0] if found else find(name)

    ctypes.util.find_library = find_library


def salt_version() -> str:
    """The version of Salt, e.g. ``3008.5``."""
    import salt.version

    return str(salt.version.__version__)


@dataclass(frozen=True)
class Node:
    """A node ready for Salt; ``options`` are Salt's own, complete."""

    name: str
    options: dict[str, Any]
    roots: Any
    """:class:`~.files.Roots`."""
    secrets: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What was left out of it, for people."""

    @property
    def pillar(self) -> dict[str, Any]:
        """The node's pillar."""
        pillar: dict[str, Any] = self.options["pillar"]
        return pillar

    def hidden(self, *more: Any) -> tuple[str, ...]:
        """The texts that no answer may show: what the request calls secret, and what the keys of the pillar do."""
        return (*self.secrets, *explain.secrets([self.pillar, *more]))


def of(request: Mapping[str, Any]) -> Node:
    """The node of a request's context fields."""
    prepare()
    from . import compat, files  # after Salt could be imported

    name = str(request["node"])
    _pretend(name)
    roots = files.roots_of(tuple(request.get("roots") or ()))
    missing = [root for root in roots.roots if root not in roots.times]
    if missing:
        raise Problems(Problem(f"formula root {root} does not exist", root) for root in missing)
    compat.use(request.get("compat") or ())
    options = _own_options()
    options.update(
        {
            "id": name,
            "saltern_roots": roots,
            "file_roots": {files.ENVIRONMENT: list(roots.roots)},
            "pillar_roots": {files.ENVIRONMENT: list(roots.roots)},
            "module_dirs": _module_folders(roots),
            "pillar": dict(request.get("pillar") or {}),
        }
    )
    given = request.get("grains") or {}
    options["grains"] = fixed.of(name, given, salt_version())
    found, warnings = _custom_grains(options, roots)
    options["grains"].update(found)
    options["grains"].update(given)
    return Node(name, options, roots, tuple(request.get("secrets") or ()), warnings)


def _own_options() -> Any:
    """The options for one node; to copy them as Salt's type does takes ten times as long as to read them again."""
    from salt.utils.optsdict import OptsDict

    return OptsDict.from_dict(pickle.loads(_pickled()))


@cache
def _pickled() -> bytes:
    return pickle.dumps(prepare().to_dict())


def _pretend(name: str) -> None:
    """Functions that ask for this machine's name get the node's."""
    import salt.utils.network

    own = name
    socket.gethostname = lambda: own.partition(".")[0]
    socket.getfqdn = lambda name="": own  # noqa: ARG005
    salt.utils.network.get_fqhostname = lambda: name


def _module_folders(roots: Any) -> list[str]:
    """Folders with Salt's ``modules``, ``states`` … of the formulas; in reverse, because Salt lets the last one win.

    They are links in a folder of ours: Salt would also take ``<root>/modules``, which may be a formula of that name.
    """
    folders = []
    for root in reversed(roots.roots):
        kinds = [
            kind for kind in ("modules", "states", "grains", "utils", "renderers") if f"{root}/_{kind}" in roots.times
        ]
        if not kinds:
            continue
        farm = Path(prepare()["cachedir"], "modules", root.strip("/").replace("/", "-"))
        farm.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            link = farm / kind
            if not link.is_symlink():
                link.symlink_to(f"{root}/_{kind}")
        folders.append(str(farm))
    return folders


def _custom_grains(options: dict[str, Any], roots: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the ``_grains`` modules of the formulas return; as with Salt, one that fails gives no grain."""
    from salt.loader.lazy import LazyLoader

    folders = [f"{root}/_grains" for root in roots.roots if f"{root}/_grains" in roots.times]
    if not folders:
        return {}, ()
    loader = LazyLoader(folders, options, tag="grains")
    found: dict[str, Any] = {}
    warnings = []
    for name, function in loader.items():
        wanted = inspect.signature(function).parameters
        arguments = {"grains": {**options["grains"], **found}} if "grains" in wanted else {}
        try:
            result = function(**arguments)
        except Exception as error:
            warnings.append(f"_grains/{name.split('.')[0]}.py: {name} failed, so its grains are missing: {error}")
            continue
        if isinstance(result, dict):
            found.update(result)
    return found, tuple(warnings)
