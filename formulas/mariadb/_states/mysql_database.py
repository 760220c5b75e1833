"""
Databases of a MySQL or MariaDB server.

Salt 3008 keeps the ``mysql`` execution module and no longer has its states; these take the same arguments as they did.
Arguments that start with ``connection_`` are handed to the execution module.
"""


def __virtual__():
    if "mysql.db_exists" in __salt__:
        return True
    return False, "needs the mysql execution module (PyMySQL or mysqlclient)"


def _plain(word):
    """Without the two names of one character set: servers answer utf8mb3 where utf8 was asked for."""
    return (word or "").replace("utf8mb3", "utf8")


def present(name, character_set=None, collate=None, **connection):
    """
    Ensure that the database exists, with this character set and collation.
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    existing = __salt__["mysql.db_get"](name, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}

    wanted = {k: v for k, v in {"character_set": character_set, "collate": collate}.items() if v}
    existing = {k: v.decode() if isinstance(v, bytes) else v for k, v in dict(existing).items()}
    if existing:
        differing = {k: v for k, v in wanted.items() if _plain(existing.get(k)) != _plain(v)}
        if not differing:
            return {**ret, "comment": f"Database {name} is already present"}
        ret["changes"] = {name: {"old": {k: existing.get(k) for k in differing}, "new": differing}}
        did = "altered"
    else:
        ret["changes"] = {name: "Present"}
        did = "created"

    if __opts__["test"]:
        return {**ret, "result": None, "comment": f"Database {name} would be {did}"}
    if existing:
        # without a collation mysql.alter_db would keep one of the old character set
        if "character_set" in differing:
            wanted.setdefault("collate", "DEFAULT")
        __salt__["mysql.alter_db"](name, **wanted, **connection)
    else:
        __salt__["mysql.db_create"](name, **wanted, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "changes": {}, "comment": error}
    return {**ret, "comment": f"Database {name} was {did}"}


def absent(name, **connection):
    """
    Ensure that there is no such database.
    """
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    exists = __salt__["mysql.db_exists"](name, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    if not exists:
        return {**ret, "comment": f"Database {name} is not present"}
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {name: "Absent"}, "comment": f"Database {name} would be removed"}
    if not __salt__["mysql.db_remove"](name, **connection):
        error = __context__.pop("mysql.error", None)
        return {**ret, "result": False, "comment": error or f"Database {name} could not be removed"}
    return {**ret, "changes": {name: "Absent"}, "comment": f"Database {name} was removed"}
