"""The scripts by which Placement and Nova bring their databases along: their schemas are only added to.

The services' code is played by small modules.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FORMULAS = Path(__file__).parents[3] / "formulas"
CELL0, CELL1 = "00000000-0000-0000-0000-000000000000", "11111111-1111-1111-1111-111111111111"

MODULES = {
    "state.py": """
import json, os
STATE = json.loads(os.environ["STATE"])

class Anything:
    def __init__(self, *_, **__): pass
    def __call__(self, *_, **__): return self
    def __getattr__(self, name): return self
    def __enter__(self): return "cell0"
    def __exit__(self, *_): pass
""",
    "alembic/__init__.py": "",
    "alembic/script.py": """
class Revision:
    def __init__(self, revision): self.revision = revision

class ScriptDirectory:
    @classmethod
    def from_config(cls, config): return cls()
    def walk_revisions(self): return [Revision("first"), Revision("newest")]
    def get_heads(self): return ["newest"]
    def get_current_head(self): return "newest"
""",
    "oslo_config.py": "import state\ncfg = state.Anything()\n",
    "placement/__init__.py": "import state\nconf = db_api = state.Anything()\n",
    "placement/db/__init__.py": "",
    "placement/db/sqlalchemy.py": """
import state
class migration:
    def _alembic_config(): pass
    def version(): return state.STATE["placement"]
""",
    "nova/__init__.py": "import state\nconfig = context = objects = state.Anything()\n",
    "nova/db/__init__.py": """
import state
class migration:
    def _find_alembic_conf(database): pass
    def db_version(database, where=None): return state.STATE[where or database]
""",
    "nova/db/api/__init__.py": "",
    "nova/db/api/api.py": """
class context_manager:
    reader = staticmethod(lambda function: lambda context: function(context))
""",
    "nova/db/api/models.py": "",
}


def run(folder: Path, service: str, *arguments: str, **state: object) -> tuple[int, list[list[str]], str]:
    """Return code, what was called, and stderr, of the script on databases in that state."""
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    called = folder / "called"
    called.write_text("")
    tool = folder / f"{service}-manage"
    tool.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]), file=open('{called}', 'a'))\n")
    tool.chmod(0o755)
    script = (FORMULAS / service / service / "files" / "schema.py").read_text()
    if service == "nova":
        # the query is Nova's own; what it finds is played
        head, _, rest = script.partition("    found = context.session")
        rest = rest.partition("\n    return ")[2].partition("\n")[2]
        script = f"{head}    import state\n    return {{uuid: tuple(cell) for uuid, cell in state.STATE['cells'].items()}}\n{rest}"
    environment = {"PYTHONPATH": str(folder), "PATH": f"{folder}:{os.environ['PATH']}", "STATE": json.dumps(state)}
    argv = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, [json.loads(line) for line in called.read_text().splitlines()], done.stderr


@pytest.mark.parametrize(("there", "behind"), [(None, True), ("first", True), ("newest", False), ("of a newer one", False)])
def test_placement(tmp_path: Path, there: str | None, behind: bool) -> None:
    assert run(tmp_path, "placement", placement=there)[:2] == (0, [["db", "sync"]] if behind else [])
    assert run(tmp_path, "placement", "check", placement=there)[:2] == (int(behind), [])


QUEUE = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"
MAIN, ZERO = (f"{{scheme}}://{{username}}:{{password}}@{{hostname}}:{{port}}/{name}?{{query}}" for name in ("{path}", "zero"))
GOOD = {CELL0: ["cell0", "none:///", ZERO], CELL1: ["cell1", QUEUE, MAIN]}
WHOLE = ["cell1", "rabbit://openstack:secret@rabbitmq:5672//openstack", "mysql+pymysql://nova:secret@mariadb/nova"]
NEWEST = {"api": "newest", "main": "newest", "cell0": "newest"}
MAP = ["cell_v2", "map_cell0", "--database_connection", ZERO]
CREATE = ["cell_v2", "create_cell", "--name", "cell1", "--transport-url", QUEUE, "--database_connection", MAIN]
UPDATE = ["cell_v2", "update_cell", "--cell_uuid", CELL1, "--transport-url", QUEUE, "--database_connection", MAIN]


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ({**NEWEST, "cells": GOOD}, []),
        (
            {"api": None, "main": None, "cell0": None, "cells": {}},
            [["api_db", "sync"], MAP, ["db", "sync"], CREATE],
        ),
        ({**NEWEST, "cell0": "first", "cells": GOOD}, [["db", "sync"]]),
        ({**NEWEST, "main": 402, "cells": GOOD}, [["db", "sync"]]),
        ({"api": "later", "main": "later", "cell0": "later", "cells": GOOD}, []),
        ({**NEWEST, "cells": {**GOOD, CELL1: WHOLE}}, [UPDATE]),
        # a cell of an operator's own is left alone
        ({**NEWEST, "cells": {**GOOD, "2": ["other", *WHOLE[1:]]}}, []),
        ({**NEWEST, "cells": {CELL0: [None, "none:///", ZERO], CELL1: ["cell1", QUEUE, MAIN]}}, []),
    ],
)
def test_nova(tmp_path: Path, state: dict[str, Any], wanted: list[list[str]]) -> None:
    assert run(tmp_path, "nova", "zero", **state)[:2] == (0, wanted)
    code, called, said = run(tmp_path, "nova", "zero", "check", **state)
    assert (code, called, bool(said)) == (int(bool(wanted)), [], bool(wanted))
    assert "secret" not in said
