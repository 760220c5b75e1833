"""The OpenAPI schemas of a Kubernetes version, as the package kubernetes-validate carries them (two versions of it)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

OLD = Path(sys.prefix) / "schemas-1.20" / "kubernetes_validate"
"""Of the release that still has 1.20; ``tools/setup test`` puts it there."""


def errors(data: Mapping[str, Any], version: str) -> list[str]:
    """What the schema of its kind says against an object; unknown keys are errors too."""
    found = _validator(data["apiVersion"], data["kind"], version).iter_errors(data)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


@cache
def _validator(api_version: str, kind: str, version: str) -> Draft202012Validator:
    group, _, number = api_version.rpartition("/")
    name = f"io.k8s.api.{group.partition('.')[0] or 'core'}.{number}.{kind}"
    key, definitions = _definitions(version)
    if name not in definitions:
        raise LookupError(f"Kubernetes {version} has no {api_version} {kind}")
    return Draft202012Validator({"$ref": f"#/{key}/{name}", key: definitions})


@cache
def _definitions(version: str) -> tuple[str, dict[str, Any]]:
    """The key of all definitions, which newer releases of the package changed, and what is there."""
    package: Traversable = OLD if version == "1.20" else resources.files("kubernetes_validate")
    folder = package.joinpath("kubernetes-json-schema", f"v{version}.0-local-strict")
    found = json.loads(folder.joinpath("_definitions.json").read_text("utf-8"))
    return next((key, found[key]) for key in ("$defs", "definitions") if key in found)
