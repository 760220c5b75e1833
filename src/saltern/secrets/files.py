"""``?{file:/path}``: a file outside of the model, e.g. one that a secret manager mounts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from saltern.base.errors import Problem, SecretError
from saltern.secrets.store import without_last_newline


@dataclass(frozen=True)
class FileStore:
    """Reads files by absolute path; none of the model in ``model``: there they would be plain text."""

    model: Path

    def wrong(self, name: str) -> Problem | None:
        """See :class:`~.store.Store`."""
        try:
            path = Path(name).expanduser()
            is_inside = path.resolve().is_relative_to(self.model.resolve())
        except (RuntimeError, ValueError) as error:
            return Problem(f"{name!r} is no path: {error}", resolution="write ?{file:/path} or ?{file:~/path}")
        if not path.is_absolute():
            return Problem(f"{name!r} is no absolute path", resolution="write ?{file:/path} or ?{file:~/path}")
        if is_inside:
            return Problem(
                f"{name} lies in the model: there a secret would be plain text",
                resolution="encrypt it: `saltern secret set NAME <FILE`, and write ?{age:NAME}",
            )
        return None

    def read(self, name: str) -> str:
        """See :class:`~.store.Store`."""
        try:
            return without_last_newline(Path(name).expanduser().read_text("utf-8"))
        except UnicodeDecodeError:
            raise SecretError(
                Problem(f"{name} holds no UTF-8 text", resolution="encode it, e.g. with base64")
            ) from None
        except OSError as error:
            raise SecretError(Problem(f"{name} cannot be read: {error.strerror}")) from None
