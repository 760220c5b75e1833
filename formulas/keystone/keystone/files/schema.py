"""Makes the schema of an empty database, and expands that of any other; what an older Keystone needs stays there.

With "check" it only ends with 0 when there is nothing to do, which keystone-manage db_sync --check cannot tell: it
compares the database with itself (https://bugs.launchpad.net/keystone/+bug/2080542).
"""
import os
import sys

import keystone.conf
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from keystone.common import sql
from keystone.common.sql import upgrades
from sqlalchemy import inspect

CONF = keystone.conf.CONF
keystone.conf.configure()
CONF([], project="keystone", default_config_files=["/etc/keystone/keystone.conf"])


def below(script, heads):
    """All revisions that the heads need, and themselves."""
    found, left = set(), list(heads)
    while left:
        revision = script.get_revision(left.pop())
        if revision.revision not in found:
            found.add(revision.revision)
            for more in (revision.down_revision, revision.dependencies):
                left += [more] if isinstance(more, str) else more or ()
    return found


with sql.session_for_read() as session:
    engine = session.get_bind()
with engine.connect() as connection:
    heads = MigrationContext.configure(connection).get_current_heads()
script = ScriptDirectory.from_config(upgrades._find_alembic_conf())
known = {revision.revision for revision in script.walk_revisions()}
if not heads and not inspect(engine).get_table_names():
    todo = ["db_sync"]
elif not set(heads) <= known:
    todo = []  # of a newer Keystone, which has expanded it for itself: this one still works with it until it is contracted
elif script.get_revision("expand@head").revision in below(script, heads):
    todo = []
else:
    todo = ["db_sync", "--expand"]
if "check" in sys.argv:
    sys.exit("keystone-manage " + " ".join(todo) if todo else 0)
if todo:
    os.execvp("keystone-manage", ["keystone-manage", *todo])
