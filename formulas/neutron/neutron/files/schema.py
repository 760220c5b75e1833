"""Makes the schema of an empty database, and expands that of any other; what an older Neutron needs stays there.

With "check" it only ends with 0 when there is nothing to do.
"""
import os
import sys

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from neutron.db.migration import cli
from sqlalchemy import create_engine, inspect

PLUGIN = os.environ.get("PLUGIN", "/etc/neutron/plugins/ml2/ml2_conf.ini")
FILES = ["--config-file", "/etc/neutron/neutron.conf", "--config-file", PLUGIN]
cli.CONF([*FILES, "--subproject", "neutron", "current"], project="neutron")


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


config = cli.get_neutron_config()
version_table = cli.get_alembic_version_table(config)
engine = create_engine(cli.CONF.database.connection)
with engine.connect() as connection:
    heads = MigrationContext.configure(connection, opts={"version_table": version_table}).get_current_heads()
script = ScriptDirectory.from_config(config)
known = {revision.revision for revision in script.walk_revisions()}
# Neutron's own code makes the version table when it is asked
if not heads and set(inspect(engine).get_table_names()) <= {version_table}:
    todo = ["upgrade", "heads"]
elif not set(heads) <= known:
    todo = []  # of a newer Neutron, which has expanded it for itself: this one still works with it until it is contracted
elif script.get_revision("expand@head").revision in below(script, heads):
    todo = []
else:
    todo = ["upgrade", "--expand"]
if "check" in sys.argv:
    sys.exit("neutron-db-manage " + " ".join(todo) if todo else 0)
if todo:
    os.execvp("neutron-db-manage", ["neutron-db-manage", *FILES, *todo])
