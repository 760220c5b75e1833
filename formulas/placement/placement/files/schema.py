"""Brings the database of Placement to what this version needs. With "check" it only ends with 0 when that is there.

Placement only ever adds to its schema, so a revision that this version does not know is of a newer one, and serves it too.
"""
import subprocess
import sys

from alembic.script import ScriptDirectory
from oslo_config import cfg
from placement import conf, db_api
from placement.db.sqlalchemy import migration

config = cfg.ConfigOpts()
conf.register_opts(config)
config([], project="placement", default_config_files=["/etc/placement/placement.conf"])
db_api.configure(config)
script = ScriptDirectory.from_config(migration._alembic_config())
known = {revision.revision for revision in script.walk_revisions()}
there = migration.version()
behind = there is None or there in known - set(script.get_heads())
if "check" in sys.argv:
    sys.exit("placement-manage db sync" if behind else 0)
if behind:
    subprocess.run(["placement-manage", "db", "sync"], check=True)
