"""Entry point: ``python3 -I -S -B /mnt/worker serve`` or ``… apply REQUEST.json``.

The package is loaded under a name of its own, so that it works from any folder and shadows no module of Salt's.
"""

import importlib
import importlib.util
import os
import sys
import warnings


def main() -> int:
    """Put Salt on the path, load this folder as a package, and start."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    beside = os.path.join(os.path.dirname(here), "site-packages")
    site = os.environ.get("SALTERN_SITE_PACKAGES") or (beside if os.path.isdir(beside) else "")
    if site:
        sys.path.insert(0, site)
    warnings.simplefilter("ignore")  # what Salt and Python deprecate is not the user's concern
    spec = importlib.util.spec_from_file_location(
        "saltern_worker", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise ImportError(here)
    package = importlib.util.module_from_spec(spec)
    sys.modules["saltern_worker"] = package
    spec.loader.exec_module(package)
    return int(importlib.import_module("saltern_worker.protocol").main(sys.argv[1:]))


if __name__ == "__main__":
    raise SystemExit(main())
