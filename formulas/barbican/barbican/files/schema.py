"""Ends with 0 when barbican-manage db upgrade has nothing to do; a schema of a newer Barbican is left alone."""
import sys

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from barbican.model.migration import commands
from sqlalchemy import create_engine

alembic = commands.init_config()
script = ScriptDirectory.from_config(alembic)
known = {revision.revision for revision in script.walk_revisions()}
with create_engine(alembic.barbican_sqlalchemy_url).connect() as connection:
    current = MigrationContext.configure(connection).get_current_revision()
if current is None or (current in known and current != script.get_current_head()):
    sys.exit("the schema is %s, and this Barbican wants %s" % (current, script.get_current_head()))
