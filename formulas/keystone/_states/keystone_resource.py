"""
Domains, projects, roles, users, services and endpoints of Keystone, over its REST API.

Each state takes ``auth`` as the execution module ``keystone_api`` describes it. A domain is given by its name, or as
``default``, the id of the one that is always there. Passwords never show in changes or comments.
"""

from salt.exceptions import CommandExecutionError


def __virtual__():
    if "keystone_api.find" in __salt__:
        return True
    return False, "needs the execution module keystone_api"


class _Missing(Exception):
    """Something that the resource refers to does not exist (yet)."""


def domain_present(name, auth, description="", enabled=True):
    """
    Ensure that a domain exists.
    """
    return _present("domain", name, auth, {"name": name}, {"description": description, "enabled": enabled})


def project_present(name, auth, description="", domain="default", enabled=True):
    """
    Ensure that a project exists.
    """
    wanted = {"description": description, "enabled": enabled}
    return _present("project", name, auth, lambda: {"name": name, "domain_id": _domain(auth, domain)}, wanted)


def role_present(name, auth):
    """
    Ensure that a role exists.
    """
    return _present("role", name, auth, {"name": name}, {})


def service_present(name, auth, type, description="", enabled=True):
    """
    Ensure that a service is in the catalog.
    """
    return _present("service", name, auth, {"name": name, "type": type}, {"description": description, "enabled": enabled})


def endpoint_present(name, auth, type, interface, url, region="RegionOne"):
    """
    Ensure that service ``name`` of ``type`` has this URL at this interface of the region.
    """

    def key():
        return {"service_id": _one(auth, "services", name=name, type=type)["id"], "interface": interface, "region_id": region}

    return _present("endpoint", f"{name} {interface} {region}", auth, key, {"url": url, "enabled": True})


def user_present(name, auth, password, domain="default", email=None, description=None, enabled=True):
    """
    Ensure that a user exists and can log in with this password.
    """
    wanted = {"enabled": enabled}
    wanted.update({k: v for k, v in {"email": email, "description": description}.items() if v is not None})

    def differing(_existing):
        if enabled and not __salt__["keystone_api.authenticates"](auth, name, password, _domain(auth, domain)):
            return {"password": password}
        return {}

    def key():
        return {"name": name, "domain_id": _domain(auth, domain)}

    return _present("user", name, auth, key, wanted, {"password": password}, differing)


def role_assigned(name, auth, user, project=None, user_domain="default", project_domain="default"):
    """
    Ensure that the user has role ``name`` in the project; without one in ``project_domain`` itself.
    """
    place = project or project_domain
    what = f"Role {name} of {user} in {place}"
    ret = {"name": name, "result": True, "changes": {}, "comment": f"{what} is already assigned"}
    try:
        try:
            user_id = _one(auth, "users", name=user, domain_id=_domain(auth, user_domain))["id"]
            target = f"/domains/{_domain(auth, project_domain)}"
            if project:
                filters = {"name": project, "domain_id": _domain(auth, project_domain)}
                target = f"/projects/{_one(auth, 'projects', **filters)['id']}"
            path = f"{target}/users/{user_id}/roles/{_one(auth, 'roles', name=name)['id']}"
            if __salt__["keystone_api.call"](auth, "HEAD", path) is not None:
                return ret
        except _Missing:
            if not __opts__["test"]:
                raise
        ret["changes"] = {f"{user} in {place}": {"old": "", "new": name}}
        if __opts__["test"]:
            return {**ret, "result": None, "comment": f"{what} would be assigned"}
        __salt__["keystone_api.call"](auth, "PUT", path)
    except (CommandExecutionError, _Missing) as error:
        return {**ret, "result": False, "changes": {}, "comment": str(error)}
    return {**ret, "comment": f"{what} was assigned"}


def absent(name, auth, kind, **key):
    """
    Ensure that there is no such item; ``kind`` is domain, project, role, user, service or endpoint, ``key`` further filters.
    """
    filters = {**({} if kind == "endpoint" else {"name": name}), **{k: v for k, v in key.items() if not k.startswith("__")}}
    ret = {"name": name, "result": True, "changes": {}, "comment": f"{kind} {name} is not present"}
    try:
        found = __salt__["keystone_api.find"](auth, f"{kind}s", **filters)
        if not found:
            return ret
        ret["changes"] = {f"{kind} {name}": {"old": "present", "new": "absent"}}
        if __opts__["test"]:
            return {**ret, "result": None, "comment": f"{kind} {name} would be removed"}
        for item in found:
            __salt__["keystone_api.call"](auth, "DELETE", f"/{kind}s/{item['id']}")
    except CommandExecutionError as error:
        return {**ret, "result": False, "changes": {}, "comment": str(error)}
    return {**ret, "comment": f"{kind} {name} was removed"}


def _one(auth, collection, **filters):
    found = __salt__["keystone_api.find"](auth, collection, **filters)
    if not found:
        raise _Missing(f"there is no {collection[:-1]} {filters.get('name')}")
    return found[0]


def _domain(auth, domain):
    return domain if domain == "default" else _one(auth, "domains", name=domain)["id"]


def _present(kind, label, auth, key, wanted, secret=None, more=None):
    """Create the item with this key, or update what differs from ``wanted`` (and what ``more`` finds)."""
    ret = {"name": label, "result": True, "changes": {}, "comment": f"{kind} {label} is already present"}
    try:
        try:
            key = key() if callable(key) else key
            found = __salt__["keystone_api.find"](auth, f"{kind}s", **key)
        except _Missing:
            if not __opts__["test"]:
                raise
            found = []
        if not found:
            ret["changes"] = {f"{kind} {label}": {"old": "", "new": _shown(wanted) or "present"}}
            if __opts__["test"]:
                return {**ret, "result": None, "comment": f"{kind} {label} would be created"}
            __salt__["keystone_api.call"](auth, "POST", f"/{kind}s", {kind: {**key, **wanted, **(secret or {})}})
            return {**ret, "comment": f"{kind} {label} was created"}

        old = found[0]
        update = {k: v for k, v in wanted.items() if old.get(k) != v}
        update.update(more(old) if more else {})
        if not update:
            return ret
        ret["changes"] = {f"{kind} {label}": {"old": _shown({k: old.get(k) for k in update}), "new": _shown(update)}}
        if __opts__["test"]:
            return {**ret, "result": None, "comment": f"{kind} {label} would be updated"}
        __salt__["keystone_api.call"](auth, "PATCH", f"/{kind}s/{old['id']}", {kind: update})
    except (CommandExecutionError, _Missing) as error:
        return {**ret, "result": False, "changes": {}, "comment": str(error)}
    return {**ret, "comment": f"{kind} {label} was updated"}


def _shown(values):
    return {k: "(set)" if k == "password" else v for k, v in values.items()}
