"""
Grants of users of a MySQL or MariaDB server.

Salt 3008 keeps the ``mysql`` execution module and no longer has its states; these take the same arguments as they did.
"""


def __virtual__():
    if "mysql.grant_exists" in __salt__:
        return True
    return False, "needs the mysql execution module (PyMySQL or mysqlclient)"


def present(
    name,
    grant=None,
    database=None,
    user=None,
    host="localhost",
    grant_option=False,
    escape=True,
    revoke_first=False,
    ssl_option=False,
    **connection,
):
    """
    Ensure that the user has these rights on the database, e.g. ``all privileges`` on ``keystone.*``.
    """
    what = f"{grant} on {database} to {user}@{host}"
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    if not (grant and database and user):
        return {**ret, "result": False, "comment": "grant, database and user are needed"}
    target = (grant, database, user, host)
    exists = __salt__["mysql.grant_exists"](*target, grant_option, escape, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    if exists:
        return {**ret, "comment": f"Grant {what} is already present"}
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {name: "Present"}, "comment": f"Grant {what} would be added"}
    if revoke_first:
        __salt__["mysql.grant_revoke"](
            grant="all privileges", database=database, user=user, host=host, grant_option=False, escape=escape, **connection
        )
        __context__.pop("mysql.error", None)  # there may have been nothing to revoke
    done = __salt__["mysql.grant_add"](*target, grant_option, escape, ssl_option, **connection)
    error = __context__.pop("mysql.error", None)
    if error or not done:
        return {**ret, "result": False, "comment": error or f"Grant {what} could not be added"}
    return {**ret, "changes": {name: "Present"}, "comment": f"Grant {what} was added"}


def absent(name, grant=None, database=None, user=None, host="localhost", grant_option=False, escape=True, **connection):
    """
    Ensure that the user has not these rights.
    """
    what = f"{grant} on {database} to {user}@{host}"
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    target = (grant, database, user, host)
    exists = __salt__["mysql.grant_exists"](*target, grant_option, escape, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    if not exists:
        return {**ret, "comment": f"Grant {what} is not present"}
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {name: "Absent"}, "comment": f"Grant {what} would be revoked"}
    if not __salt__["mysql.grant_revoke"](*target, grant_option, escape, **connection):
        error = __context__.pop("mysql.error", None)
        return {**ret, "result": False, "comment": error or f"Grant {what} could not be revoked"}
    return {**ret, "changes": {name: "Absent"}, "comment": f"Grant {what} was revoked"}
