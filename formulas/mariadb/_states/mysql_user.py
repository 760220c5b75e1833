"""
Users of a MySQL or MariaDB server.

Salt 3008 keeps the ``mysql`` execution module and no longer has its states; these take the same arguments as they did.
Passwords never show in changes or comments.
"""


def __virtual__():
    if "mysql.user_exists" in __salt__:
        return True
    return False, "needs the mysql execution module (PyMySQL or mysqlclient)"


def present(
    name,
    host="localhost",
    password=None,
    password_hash=None,
    allow_passwordless=False,
    unix_socket=False,
    password_column=None,
    auth_plugin="mysql_native_password",
    **connection,
):
    """
    Ensure that the user exists and has this password (or its hash, or none with ``allow_passwordless``).
    """
    account = f"{name}@{host}"
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    if not (password or password_hash or allow_passwordless):
        return {**ret, "result": False, "comment": f"{account}: give password, password_hash or allow_passwordless"}

    proof = {"password_column": password_column, **connection}
    if password or password_hash:
        secret = {"password": password, "password_hash": None if password else password_hash}
        matches = __salt__["mysql.user_exists"](name, host, **secret, **proof)
    else:
        secret = {"allow_passwordless": True, "unix_socket": unix_socket}
        matches = __salt__["mysql.user_exists"](name, host, passwordless=True, unix_socket=unix_socket, **proof)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    if matches:
        return {**ret, "comment": f"User {account} is already present"}

    known = __salt__["mysql.user_exists"](name, host, **proof)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    what = "password updated" if known else "Present"
    function = "mysql.user_chpass" if known else "mysql.user_create"
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {account: what}, "comment": f"User {account} would change: {what}"}
    extra = {} if known else {"auth_plugin": auth_plugin}
    done = __salt__[function](name, host, **secret, **extra, **proof)
    error = __context__.pop("mysql.error", None)
    if error or not done:
        return {**ret, "result": False, "comment": error or f"User {account} could not be set"}
    return {**ret, "changes": {account: what}, "comment": f"User {account}: {what}"}


def absent(name, host="localhost", **connection):
    """
    Ensure that there is no such user.
    """
    account = f"{name}@{host}"
    ret = {"name": name, "result": True, "changes": {}, "comment": ""}
    exists = __salt__["mysql.user_exists"](name, host, **connection)
    error = __context__.pop("mysql.error", None)
    if error:
        return {**ret, "result": False, "comment": error}
    if not exists:
        return {**ret, "comment": f"User {account} is not present"}
    if __opts__["test"]:
        return {**ret, "result": None, "changes": {account: "Absent"}, "comment": f"User {account} would be removed"}
    if not __salt__["mysql.user_remove"](name, host, **connection):
        error = __context__.pop("mysql.error", None)
        return {**ret, "result": False, "comment": error or f"User {account} could not be removed"}
    return {**ret, "changes": {account: "Absent"}, "comment": f"User {account} was removed"}
