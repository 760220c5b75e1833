"""Makes the schema of an empty database, and expands that of any other; what an older Glance needs stays there.

With "check" it only ends with 0 when there is nothing to do.
"""
import subprocess
import sys

from alembic.script import ScriptDirectory
from glance.common import config

config.parse_args(args=[], default_config_files=["/etc/glance/glance-api.conf"])
from glance.db import migration
from glance.db.sqlalchemy import alembic_migrations, api
from glance.db.sqlalchemy.alembic_migrations import data_migrations
from sqlalchemy import inspect


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


engine = api.get_engine()
heads = alembic_migrations.get_current_alembic_heads()
script = ScriptDirectory.from_config(alembic_migrations.get_alembic_config())
known = {revision.revision for revision in script.walk_revisions()}
if not heads and not inspect(engine).get_table_names():
    todo = ["sync"]
elif not set(heads) <= known:
    todo = []  # of a newer Glance, which has expanded it for itself: this one still works with it until it is contracted
elif alembic_migrations.get_alembic_branch_head(migration.EXPAND_BRANCH) not in below(script, heads):
    todo = ["expand", "migrate"]
elif data_migrations.has_pending_migrations(engine):
    todo = ["migrate"]
else:
    todo = []
if "check" in sys.argv:
    sys.exit("glance-manage db " + ", ".join(todo) if todo else 0)
for step in todo:
    subprocess.run(["glance-manage", "--config-file", "/etc/glance/glance-api.conf", "db", step], check=True)
