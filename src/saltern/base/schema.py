"""JSON Schema (draft 2020-12) checks that give Problems, with a default for what is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from saltern.base.errors import Place, Problem

Locate = Callable[[tuple[str | int, ...]], tuple[Place, ...]]
"""Where the value at a path was set."""


@cache
def load_schema(package: str, name: str) -> dict[str, Any]:
    """The schema ``schemas/<name>.json`` of a package."""
    text = resources.files(package).joinpath("schemas", f"{name}.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def check(value: object, schema: dict[str, Any], what: str, locate: Locate = lambda _path: ()) -> Iterator[Problem]:
    """All violations of ``schema`` by ``value``, which is called ``what`` in the messages."""
    errors = Draft202012Validator(schema).iter_errors(value)
    for error in sorted(errors, key=lambda e: [str(p) for p in e.absolute_path]):
        path = tuple(error.absolute_path)
        where = ":".join(str(part) for part in path)
        yield Problem(
            f"{what}: {where + ': ' if where else ''}{error.message}",
            places=locate(path),
            details=str(error.schema.get("description", "")) if isinstance(error.schema, dict) else "",
            resolution=_advice(error),
        )


def _advice(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and isinstance(error.schema, dict) and "properties" in error.schema:
        return "known keys: " + ", ".join(sorted(error.schema["properties"]))
    if error.validator == "enum" and isinstance(error.validator_value, list):
        return "use one of " + ", ".join(str(value) for value in error.validator_value)
    return ""
