"""Ends with 0 when cinder-manage db sync has nothing to do; a schema of a newer Cinder is left alone."""
import sys

from alembic.script import ScriptDirectory
from cinder import version
from cinder.common import config  # noqa: F401 - registers options
from cinder.db import migration
from oslo_config import cfg

cfg.CONF([], project="cinder", version=version.version_string(), default_config_files=["/etc/cinder/cinder.conf"])
script = ScriptDirectory.from_config(migration._find_alembic_conf())
known = {revision.revision for revision in script.walk_revisions()}
# a number: of sqlalchemy-migrate, which older releases used
current = migration.db_version()
if current is None or isinstance(current, int) or (current in known and current != script.get_current_head()):
    sys.exit("the schema is %s, and this Cinder wants %s" % (current, script.get_current_head()))
