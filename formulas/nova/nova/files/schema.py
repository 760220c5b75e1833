"""Brings Nova's databases and cells to what this version needs. With "check" it only ends with 0 when all is there.

The cells are told by templates, which Nova fills in from its own configuration: no secret is in the database, and another
address or password needs no change there. A revision that this version does not know is of a newer Nova: nothing is done.
"""
import subprocess
import sys

from alembic.script import ScriptDirectory
from nova import config, context, objects
from nova.db import migration
from nova.db.api import api as api_db
from nova.db.api import models

QUEUE = "{scheme}://{username}:{password}@{hostname}:{port}/{path}"
DATABASE = "{scheme}://{username}:{password}@{hostname}:{port}/%s?{query}"
CELL0 = "00000000-0000-0000-0000-000000000000"
config.parse_args(["nova-manage"], default_config_files=["/etc/nova/nova.conf"])
objects.register_all()
admin = context.get_admin_context()


def behind(database, where=None):
    script = ScriptDirectory.from_config(migration._find_alembic_conf(database))
    there = migration.db_version(database, where)
    # before alembic it was a number
    return not isinstance(there, str) or there in {one.revision for one in script.walk_revisions()} - {script.get_current_head()}


@api_db.context_manager.reader
def cells(context):
    """As they are in the database; the objects have the templates filled in."""
    found = context.session.query(models.CellMapping).all()
    return {cell.uuid: (cell.name, cell.transport_url, cell.database_connection) for cell in found}


def steps(cell0_name):
    if behind("api"):
        yield "api_db", "sync"
    wanted = {"cell0": ("none:///", DATABASE % cell0_name), "cell1": (QUEUE, DATABASE % "{path}")}
    if CELL0 not in cells(admin):
        yield "cell_v2", "map_cell0", "--database_connection", wanted["cell0"][1]
    with context.target_cell(admin, objects.CellMapping.get_by_uuid(admin, CELL0)) as there:
        late = behind("main", there)
    if late or behind("main"):
        yield "db", "sync"
    found = cells(admin)
    if not set(found) - {CELL0}:
        yield "cell_v2", "create_cell", "--name", "cell1", "--transport-url", QUEUE, "--database_connection", wanted["cell1"][1]
    for uuid, (name, queue, database) in found.items():
        name = "cell0" if uuid == CELL0 else name
        if name in wanted and (queue, database) != wanted[name]:
            urls = ("--transport-url", wanted[name][0], "--database_connection", wanted[name][1])
            yield "cell_v2", "update_cell", "--cell_uuid", uuid, *urls


for step in steps(sys.argv[1]):
    if "check" in sys.argv:
        sys.exit("nova-manage " + " ".join(step[:2]))
    subprocess.run(["nova-manage", *step], check=True)
