"""
Keystone's public REST API, version 3.

``auth`` is a dictionary: ``auth_url`` (with ``/v3``), ``username``, ``password``, ``project_name``, and optionally
``user_domain`` and ``project_domain`` (ids; ``default``), ``timeout`` (seconds to wait for the API, 120), ``verify``
(False, or the path of a CA bundle).
"""

import hashlib
import time
from urllib.parse import quote

from salt.exceptions import CommandExecutionError

try:
    import requests

    HAS_REQUESTS = True
except ImportError:
    HAS_REQUESTS = False

_TOKENS = "keystone_api.tokens"


def __virtual__():
    if HAS_REQUESTS:
        return True
    return False, "needs the Python library requests"


def _identity(username, password, domain):
    user = {"name": username, "domain": {"id": domain}, "password": password}
    return {"methods": ["password"], "password": {"user": user}}


def _send(auth, method, path, body=None, headers=None):
    """One request; waits, up to the timeout, for an API that does not answer or is not ready."""
    url = auth["auth_url"].rstrip("/") + path
    until = time.monotonic() + float(auth.get("timeout", 120))
    while True:
        problem = None
        try:
            response = requests.request(
                method, url, json=body, headers=headers, timeout=30, verify=auth.get("verify", True)
            )
            if response.status_code not in (502, 503, 504):
                return response
            problem = f"status {response.status_code}"
        except (requests.ConnectionError, requests.Timeout) as error:
            problem = type(error).__name__
        if time.monotonic() > until:
            raise CommandExecutionError(f"{method} {url}: {problem}; waited {auth.get('timeout', 120)} s")
        time.sleep(1)


def _token(auth):
    key = hashlib.sha256(repr(sorted(auth.items())).encode()).hexdigest()
    tokens = __context__.setdefault(_TOKENS, {})
    if key not in tokens:
        project = {"name": auth["project_name"], "domain": {"id": auth.get("project_domain", "default")}}
        identity = _identity(auth["username"], auth["password"], auth.get("user_domain", "default"))
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        response = _send(auth, "POST", "/auth/tokens", body)
        if response.status_code != 201:
            raise CommandExecutionError(
                f"{auth['username']} got no token from {auth['auth_url']}: status {response.status_code}"
            )
        tokens[key] = response.headers["X-Subject-Token"]
    return tokens[key]


def call(auth, method, path, body=None, accept=(200, 201, 204)):
    """
    Send an authenticated request; return the answer's JSON, ``{}`` for an empty one, None for one of 404.
    """
    response = _send(auth, method, path, body, {"X-Auth-Token": _token(auth)})
    if response.status_code == 404 and method in ("GET", "HEAD"):
        return None
    if response.status_code not in accept:
        try:
            message = response.json()["error"]["message"]
        except (ValueError, KeyError, TypeError):
            message = ""
        raise CommandExecutionError(f"{method} {path}: status {response.status_code} {message}".rstrip())
    return response.json() if response.content else {}


def find(auth, collection, **filters):
    """
    The items of a collection (``domains``, ``projects``, ``users``, ``roles``, ``services``, ``endpoints``) that match.
    """
    query = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in sorted(filters.items()))
    return call(auth, "GET", f"/{collection}?{query}")[collection]


def authenticates(auth, username, password, domain="default"):
    """
    Whether the user can log in with this password.
    """
    body = {"auth": {"identity": _identity(username, password, domain), "scope": "unscoped"}}
    return _send(auth, "POST", "/auth/tokens", body).status_code == 201
