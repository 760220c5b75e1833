"""The scripts that tell whether cinder-manage, heat-manage and barbican-manage have something to do in the database.

The services' code is played by small modules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FORMULAS = Path(__file__).parents[3] / "formulas"
STATE = "import json, os\nSTATE = json.loads(os.environ['STATE'])\n"
MIGRATION = "import played\ndef _find_alembic_conf(): pass\ndef db_version(*_): return played.STATE['current']\n"
ALEMBIC = """
import played
class Revision:
    def __init__(self, name): self.revision = name
class ScriptDirectory:
    @classmethod
    def from_config(cls, config): return cls()
    def walk_revisions(self): return [Revision(name) for name in played.STATE["revisions"]]
    def get_current_head(self): return played.STATE["revisions"][-1]
"""
CONF = {
    "played.py": STATE,
    "oslo_config/__init__.py": "",
    "oslo_config/cfg.py": "class Conf:\n    def __call__(self, *_, **__): pass\nCONF = Conf()\n",
}
WITH_ALEMBIC = {**CONF, "alembic/__init__.py": "", "alembic/script.py": ALEMBIC}
CINDER = {
    **WITH_ALEMBIC,
    "cinder/__init__.py": "",
    "cinder/version.py": "def version_string(): return '1'\n",
    "cinder/common/__init__.py": "",
    "cinder/common/config.py": "",
    "cinder/db/__init__.py": "",
    "cinder/db/migration.py": MIGRATION,
}
HEAT = {
    **WITH_ALEMBIC,
    "heat/__init__.py": "",
    "heat/common/__init__.py": "",
    "heat/common/config.py": "",
    "heat/db/__init__.py": "",
}
HEAT_ZED = {
    **{name: text for name, text in HEAT.items() if not name.startswith("alembic")},
    "heat/db/sqlalchemy/__init__.py": "",
    "heat/db/sqlalchemy/api.py": "def get_engine(): pass\n",
    "heat/db/sqlalchemy/migration.py": MIGRATION,
    "migrate/__init__.py": "",
    "migrate/versioning/__init__.py": "",
    "migrate/versioning/repository.py": "class Repository:\n    latest = 86\n    def __init__(self, path): pass\n",
}
BARBICAN = {
    **WITH_ALEMBIC,
    "alembic/migration.py": """
import played
class MigrationContext:
    @classmethod
    def configure(cls, connection): return cls()
    def get_current_revision(self): return played.STATE["current"]
""",
    "sqlalchemy.py": """
import contextlib
class create_engine:
    def __init__(self, url): assert url == "mysql://"
    def connect(self): return contextlib.nullcontext()
""",
    "barbican/__init__.py": "",
    "barbican/model/__init__.py": "",
    "barbican/model/migration/__init__.py": "",
    "barbican/model/migration/commands.py": "class init_config: barbican_sqlalchemy_url = 'mysql://'\n",
}
NEWER_HEAT = {**HEAT, "heat/db/migration.py": MIGRATION}


@pytest.mark.parametrize(
    ("service", "modules", "current", "todo"),
    [
        ("cinder", CINDER, None, True),
        ("cinder", CINDER, 145, True),
        ("cinder", CINDER, "a", True),
        ("cinder", CINDER, "b", False),
        ("cinder", CINDER, "of a newer one", False),
        ("heat", HEAT_ZED, 72, True),
        ("heat", HEAT_ZED, 86, False),
        ("heat", HEAT_ZED, 87, False),
        ("heat", NEWER_HEAT, None, True),
        ("heat", NEWER_HEAT, "a", True),
        ("heat", NEWER_HEAT, "b", False),
        ("heat", NEWER_HEAT, "of a newer one", False),
        ("barbican", BARBICAN, None, True),
        ("barbican", BARBICAN, "a", True),
        ("barbican", BARBICAN, "b", False),
        ("barbican", BARBICAN, "of a newer one", False),
    ],
)
def test_whether_there_is_something_to_do(
    tmp_path: Path, service: str, modules: dict[str, str], current: object, todo: bool
) -> None:
    for name, text in modules.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    script = (FORMULAS / service / service / "files" / "schema.py").read_text()
    environment = {"PYTHONPATH": str(tmp_path), "STATE": json.dumps({"current": current, "revisions": ["a", "b"]})}
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, "wants" in done.stderr) == (int(todo), todo)
