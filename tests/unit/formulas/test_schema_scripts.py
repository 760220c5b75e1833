"""The scripts by which keystone, glance and neutron bring their database's schema along: what they run on which database.

The services' code is played by small modules; the revisions are like the real ones: a base, and two branches of which
contract needs expand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FORMULAS = Path(__file__).parents[3] / "formulas"

MODULES = {
    "oslo.py": """
import json, os
STATE = json.loads(os.environ["STATE"])

class Revision:
    def __init__(self, name):
        self.revision, self.down_revision, self.dependencies = name, *STATE["revisions"][name]

class Here:
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def get_bind(self): return self
    def connect(self): return self
    def get_table_names(self): return STATE["tables"]
""",
    "keystone/__init__.py": "",
    "keystone/conf.py": """
class Conf:
    def __call__(self, *_, **__): pass
CONF = Conf()
def configure(): pass
""",
    "keystone/common/__init__.py": "",
    "keystone/common/sql/__init__.py": "import oslo\nsession_for_read = oslo.Here\n",
    "keystone/common/sql/upgrades.py": "def _find_alembic_conf(): pass\n",
    "glance/__init__.py": "",
    "glance/common/__init__.py": "",
    "glance/common/config.py": "def parse_args(**_): pass\n",
    "glance/db/__init__.py": "",
    "glance/db/migration.py": "EXPAND_BRANCH = 'expand'\n",
    "glance/db/sqlalchemy/__init__.py": "",
    "glance/db/sqlalchemy/api.py": "import oslo\nget_engine = oslo.Here\n",
    "glance/db/sqlalchemy/alembic_migrations/__init__.py": """
import oslo
def get_alembic_config(): pass
def get_current_alembic_heads(): return oslo.STATE["heads"]
def get_alembic_branch_head(branch): return oslo.STATE["expand"]
""",
    "glance/db/sqlalchemy/alembic_migrations/data_migrations.py": """
import oslo
def has_pending_migrations(engine): return oslo.STATE["pending"]
""",
    "neutron/__init__.py": "",
    "neutron/db/__init__.py": "",
    "neutron/db/migration/__init__.py": "",
    "neutron/db/migration/cli.py": """
class Conf:
    class database: connection = "mysql://"
    def __call__(self, *_, **__): pass
CONF = Conf()
def get_neutron_config(): pass
def get_alembic_version_table(config): return "alembic_version"
""",
    "alembic/__init__.py": "",
    "alembic/runtime/__init__.py": "",
    "alembic/runtime/migration.py": """
import oslo
class MigrationContext:
    @classmethod
    def configure(cls, connection, opts=None): return cls()
    def get_current_heads(self): return tuple(oslo.STATE["heads"])
""",
    "alembic/script.py": """
import oslo
class ScriptDirectory:
    @classmethod
    def from_config(cls, config): return cls()
    def walk_revisions(self): return [oslo.Revision(name) for name in oslo.STATE["revisions"]]
    def get_revision(self, name): return oslo.Revision(oslo.STATE["expand"] if name == "expand@head" else name)
""",
    "sqlalchemy.py": "import oslo\ndef inspect(engine): return engine\ndef create_engine(url): return oslo.Here()\n",
}

OLD = {"base": (None, None), "expand1": ("base", None), "contract1": ("base", "expand1")}
NEW = {**OLD, "expand2": ("expand1", None), "contract2": ("contract1", ["expand2"])}


def run(folder: Path, service: str, *arguments: str, **state: object) -> tuple[int, list[str], str]:
    """Return code, what was called, and stderr, of the script on a database in that state."""
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    called = folder / "called"
    called.write_text("")
    tool = folder / TOOLS.get(service, f"{service}-manage")
    tool.write_text(f'#!/bin/sh\necho "$*" >>{called}\n')
    tool.chmod(0o755)
    script = (FORMULAS / service / service / "files" / "schema.py").read_text()
    environment = {
        "PYTHONPATH": str(folder),
        "PATH": f"{folder}:{os.environ['PATH']}",
        "STATE": json.dumps({"tables": ["user"], "pending": False, **state}),
    }
    argv = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, called.read_text().splitlines(), done.stderr


TOOLS = {"neutron": "neutron-db-manage"}
NEUTRON = "--config-file /etc/neutron/neutron.conf --config-file /etc/neutron/plugins/ml2/ml2_conf.ini upgrade"
PREFIX = "--config-file /etc/glance/glance-api.conf db"
CASES = {
    "empty": ({"revisions": NEW, "expand": "expand2", "heads": [], "tables": []}, ["db_sync"], ["sync"]),
    "of the release before": (
        {"revisions": NEW, "expand": "expand2", "heads": ["expand1", "contract1"]},
        ["db_sync --expand"],
        ["expand", "migrate"],
    ),
    "expanded": ({"revisions": NEW, "expand": "expand2", "heads": ["expand2", "contract1"]}, [], []),
    "contracted": ({"revisions": NEW, "expand": "expand2", "heads": ["contract2"]}, [], []),
    "expanded by a newer one": (
        {"revisions": OLD, "expand": "expand1", "heads": ["expand2", "contract1"]},
        [],
        [],
    ),
    "under no control": (
        {"revisions": NEW, "expand": "expand2", "heads": []},
        ["db_sync --expand"],
        ["expand", "migrate"],
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("service", ["keystone", "glance", "neutron"])
def test_what_is_run(tmp_path: Path, service: str, case: str) -> None:
    state, *both = CASES[case]
    wanted = both[0] if service == "keystone" else [f"{PREFIX} {step}" for step in both[1]]
    if service == "neutron":
        wanted = [{"db_sync": f"{NEUTRON} heads", "db_sync --expand": f"{NEUTRON} --expand"}[step] for step in both[0]]
    assert run(tmp_path, service, **state)[:2] == (0, wanted)
    code, called, said = run(tmp_path, service, "check", **state)
    assert (code, called) == (int(bool(wanted)), [])
    assert bool(said) == bool(wanted)


def test_data_of_an_expanded_database_is_migrated(tmp_path: Path) -> None:
    state = {"revisions": NEW, "expand": "expand2", "heads": ["expand2", "contract1"], "pending": True}
    assert run(tmp_path, "glance", **state)[1] == [f"{PREFIX} migrate"]
    assert run(tmp_path, "glance", "check", **state)[0] == 1


@pytest.mark.parametrize("service", ["keystone", "glance", "neutron"])
def test_a_database_that_does_not_answer_is_no_empty_one(tmp_path: Path, service: str) -> None:
    code, called, said = run(tmp_path, service, revisions=NEW, expand="expand2")
    assert code != 0
    assert called == []
    assert "KeyError: 'heads'" in said
