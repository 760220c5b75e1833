"""Ends with 0 when heat-manage db_sync has nothing to do; a schema of a newer Heat is left alone."""
import sys

from heat.common import config  # noqa: F401 - registers options
from oslo_config import cfg

cfg.CONF([], project="heat", prog="heat-manage", default_config_files=["/etc/heat/heat.conf"])
try:
    from alembic.script import ScriptDirectory
    from heat.db import migration
except ImportError:  # up to 2023.1
    import os

    from heat.db.sqlalchemy import api, migration
    from migrate.versioning.repository import Repository

    current = migration.db_version(api.get_engine())
    head = Repository(os.path.join(os.path.dirname(migration.__file__), "migrate_repo")).latest
    known = range(head + 1)
else:
    current = migration.db_version()
    script = ScriptDirectory.from_config(migration._find_alembic_conf())
    head = script.get_current_head()
    known = {None} | {revision.revision for revision in script.walk_revisions()}
if current in known and current != head:
    sys.exit("the schema is %s, and this Heat wants %s" % (current, head))
