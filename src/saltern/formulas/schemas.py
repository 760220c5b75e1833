"""JSON Schemas that formulas ship for their pillar, and what of a node's rendered pillar breaks them.

A formula ``nova`` has them in ``schemas/`` or, as the salt-formulas community, in ``nova/schemas/``: ``controller.yml``
(or ``.yaml``, ``.json``) is for the pillar ``nova:controller``, ``nova.yml`` for all of ``nova``. A role that a node
does not have is not checked, and a bundled formula's only where a node has a class of it. A secret's value is never in a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from saltern.base import yamlmarks
from saltern.base.errors import Place, Problem
from saltern.base.store import canonical
from saltern.formulas.sources import BUNDLED, Formula
from saltern.model import Node
from saltern.model.origins import Origin, effective
from saltern.model.secrets import is_secret_path, secret_values

EXTENSIONS = (".json", ".yaml", ".yml")
_LONGEST = 300
"""Characters of a message that quotes a whole value."""

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class PillarSchema:
    """The schema of the pillar at ``path``; ``fitting`` are values that are known to be right."""

    path: tuple[str, ...]
    file: str
    validator: Validator
    root: str = ""
    """Of a bundled formula: its folder. A model that never took a class from it may mean another formula."""
    fitting: set[str] = field(default_factory=set)


def load_schemas(formulas: Iterable[Formula]) -> tuple[tuple[PillarSchema, ...], tuple[Problem, ...]]:
    """The schemas of all formulas, and which of them are none."""
    schemas: list[PillarSchema] = []
    problems: list[Problem] = []
    for formula in formulas:
        for file in _files(formula):
            try:
                schemas.append(_load(formula, file))
            except yamlmarks.WrongYamlError as error:
                problems.append(error.problem)
            except SchemaError as error:
                where = ":".join(str(step) for step in error.absolute_path) or "its top level"
                brief = f"the schema of the formula {formula.name!r} is wrong at {where}: {error.message}"
                problems.append(Problem(brief, (Place(str(file)),), resolution="Correct it, or remove it."))
    return tuple(schemas), tuple(problems)


def _files(formula: Formula) -> list[Path]:
    folders = (formula.root / "schemas", formula.root / formula.name / "schemas")
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return sorted(path for path in found if path.suffix in EXTENSIONS)


def _load(formula: Formula, file: Path) -> PillarSchema:
    schema = yamlmarks.read(file).data
    if not isinstance(schema, dict):
        raise SchemaError(f"it is no mapping but {type(schema).__name__}")
    kind = validator_for(schema, default=Draft202012Validator)
    kind.check_schema(schema)
    path = (formula.name,) if file.stem == formula.name else (formula.name, file.stem)
    validator = kind(schema, registry=EMPTY_REGISTRY)  # which fetches nothing
    return PillarSchema(path, str(file), validator, f"{formula.root}/" if formula.origin == BUNDLED else "")


def violations(node: Node, schemas: Iterable[PillarSchema]) -> Iterator[Problem]:
    """What in a healthy node's pillar breaks a schema, each with the places that the value comes from."""
    parameters = node.parameters
    for schema in schemas:
        if schema.root and not any(entity.source.file.startswith(schema.root) for entity in node.flat.entities):
            continue
        value = _at(parameters, schema.path)
        known = canonical(value)
        if value is None or known in schema.fitting:
            continue
        problems = [*_violations(node, schema, value, secret_values(parameters))]
        if not problems:
            schema.fitting.add(known)
        yield from problems


def _at(parameters: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        parameters = parameters.get(step) if isinstance(parameters, Mapping) else None
    return parameters


def _violations(node: Node, schema: PillarSchema, value: Any, secrets: frozenset[str]) -> Iterator[Problem]:
    try:
        errors = sorted(schema.validator.iter_errors(value), key=lambda error: [str(s) for s in error.absolute_path])
    except Unresolvable as missing:
        yield Problem(f"the schema refers to something that is not in it: {missing}", (Place(schema.file),))
        return
    for error in errors:
        path = (*schema.path, *error.absolute_path)
        yield Problem(
            brief=f"{':'.join(str(step) for step in path)}: {_said(error, path, secrets)}",
            places=_places(node, path),
            details=f"{_description(error)} The schema is {schema.file}.".strip(),
            resolution=_advice(error),
            node=node.name,
        )


def _said(error: ValidationError, path: Path_, secrets: frozenset[str]) -> str:
    if is_secret_path(path):
        return f"the value, which is not shown, breaks {error.validator}: {error.validator_value}"
    message = error.message
    for secret in sorted(secrets, key=len, reverse=True):
        message = message.replace(secret, "***")
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"


def _description(error: ValidationError) -> str:
    text = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    return f"{text}." if text and not str(text).endswith(".") else str(text)


def _advice(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and isinstance(error.schema, Mapping):
        return "Known keys: " + ", ".join(sorted(error.schema.get("properties", ()))) + "."
    return ""


def _places(node: Node, path: Path_) -> tuple[Place, ...]:
    """Where the value is written, then where references to it are; a part that has no place is shown at the whole's."""
    for end in range(len(path), 0, -1):
        if places := tuple(dict.fromkeys(_written(effective(node.origin(path[:end]))[-1:]))):
            return places
    return (node.place,)


def _written(origins: Iterable[Origin]) -> Iterator[Place]:
    for origin in origins:
        for through in origin.references:
            yield from _written(effective(through.origins)[-1:])
        yield origin.place
