"""``?{env:NAME}``: a variable of saltern's own environment, as CI systems give secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from saltern.base.errors import Problem, SecretError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class EnvironmentStore:
    """Reads from ``variables``."""

    variables: Mapping[str, str]

    def wrong(self, name: str) -> Problem | None:
        """See :class:`~.store.Store`; whether the variable is set counts only when it is read."""
        if _NAME.fullmatch(name):
            return None
        return Problem(f"{name!r} is no name of an environment variable", resolution="write ?{env:NAME}")

    def read(self, name: str) -> str:
        """See :class:`~.store.Store`."""
        value = self.variables.get(name, "")
        if not value:
            what = "is empty" if name in self.variables else "is not set"
            raise SecretError(Problem(f"the environment variable {name} {what}", resolution=f"export {name}"))
        return value
