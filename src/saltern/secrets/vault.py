"""``?{vault:MOUNT/PATH#FIELD}``: HashiCorp Vault or OpenBao, version 2 of their key/value engine.

Where Vault is and who asks is said as to Vault's own command: ``VAULT_ADDR``, ``VAULT_TOKEN`` (or the file
``~/.vault-token`` that ``vault login`` writes), ``VAULT_NAMESPACE``, ``VAULT_CACERT``. Other ways to log in are not
known here: log in with Vault's command, which leaves the token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saltern.base.errors import Problem, SecretError

TIMEOUT = 10
"""Seconds that one answer may take."""
_NAME = re.compile(r"(?P<mount>[^/#]+)/(?P<path>[^#]+)#(?P<field>.+)")


@dataclass(frozen=True)
class VaultStore:
    """Reads over HTTP, each path once. ``variables`` is the environment, ``home`` the folder of ``.vault-token``."""

    variables: Mapping[str, str]
    home: Path
    _known: dict[tuple[str, str], Mapping[str, Any] | Problem] = field(default_factory=dict)

    def wrong(self, name: str) -> Problem | None:
        """See :class:`~.store.Store`."""
        if _NAME.fullmatch(name):
            return None
        return Problem(f"{name!r} names no field of a secret in Vault", resolution="write ?{vault:MOUNT/PATH#FIELD}")

    def read(self, name: str) -> str:
        """See :class:`~.store.Store`."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise SecretError(Problem(f"{name!r} names no field of a secret in Vault"))
        place = (match["mount"], match["path"])
        if place not in self._known:
            self._known[place] = self._data(*place)
        data = self._known[place]
        if isinstance(data, Problem):
            raise SecretError(data)
        value = data.get(match["field"])
        if value is None:
            known = ", ".join(sorted(map(str, data))) or "none"
            raise SecretError(
                Problem(
                    f"{'/'.join(place)} in Vault has no field {match['field']!r}", resolution=f"its fields: {known}"
                )
            )
        return value if isinstance(value, str) else json.dumps(value)

    def _data(self, mount: str, path: str) -> Mapping[str, Any] | Problem:
        import hvac  # noqa: PLC0415 - slow to import, and only models with such secrets need it
        import hvac.exceptions  # noqa: PLC0415

        address, token = self.variables.get("VAULT_ADDR", ""), self._token()
        if not address or not token:
            return Problem(
                f"who or where Vault is, is not said: {'VAULT_ADDR' if not address else 'VAULT_TOKEN'} is not set",
                resolution="export VAULT_ADDR and VAULT_TOKEN, or log in with `vault login`",
            )
        client = hvac.Client(
            url=address,
            token=token,
            namespace=self.variables.get("VAULT_NAMESPACE") or None,
            verify=self.variables.get("VAULT_CACERT") or True,
            timeout=TIMEOUT,
        )
        try:
            answer = client.secrets.kv.v2.read_secret_version(path, mount_point=mount, raise_on_deleted_version=True)
            data: Mapping[str, Any] = answer["data"]["data"] or {}
        except hvac.exceptions.InvalidPath:
            return Problem(
                f"Vault has no secret {mount}/{path}",
                details="or it is deleted, or the engine there is none of version 2",
                resolution=f"see `vault kv get {mount}/{path}`",
            )
        except (hvac.exceptions.Forbidden, hvac.exceptions.Unauthorized):
            return Problem(
                f"Vault denies reading {mount}/{path}",
                details=f"asked {address} with the token of VAULT_TOKEN or ~/.vault-token",
                resolution="log in again, or ask for a policy that may read it",
            )
        except (hvac.exceptions.VaultError, OSError, ValueError, KeyError, TypeError) as error:
            return Problem(
                f"Vault at {address} does not answer as it should",
                details=_reason(error),
                resolution="see VAULT_ADDR, and `vault status`",
            )
        finally:
            client.adapter.close()
        return data

    def _token(self) -> str:
        if token := self.variables.get("VAULT_TOKEN", ""):
            return token
        try:
            return (self.home / ".vault-token").read_text("utf-8").strip()
        except OSError:
            return ""


def _reason(error: Exception) -> str:
    """The error's last words, without the path that was asked for: the same for all secrets of a Vault that is down."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    return f"{type(error).__name__}: {type(inner).__name__}" if inner is not error else type(error).__name__
