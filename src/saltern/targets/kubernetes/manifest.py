"""One object of a cluster as a frozen value, and the text of its file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from saltern.base.yamltext import WithoutAliases

HEADER = "# Made by saltern; edit the model instead.\n"
"""How each file begins; a file that begins otherwise is not ours."""

KUSTOMIZATION = "kustomization.yaml"
SEPARATE = "masked"
"""The folder of what is only to be read."""


@dataclass(frozen=True)
class Manifest:
    """An object. ``masked`` is what may be shown of one that holds secrets, else None."""

    kind: str
    name: str
    data: Mapping[str, Any]
    masked: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        """The name of its file."""
        return f"{self.kind.lower()}-{self.name}.yaml"

    @property
    def is_secret(self) -> bool:
        """Whether it holds values that only the cluster may see."""
        return self.masked is not None


def render(data: Mapping[str, Any]) -> str:
    """An object as text; equal objects give equal bytes."""
    text: str = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
    return HEADER + text


def files(manifests: Iterable[Manifest], *, secrets: bool) -> dict[str, tuple[str, bool]]:
    """Path → text, and whether it is for the user's eyes only.

    Without ``secrets``, what may be shown of objects that hold some stands in a folder of its own: nothing that applies
    the folder takes it for the real ones.
    """
    ordered = sorted(manifests, key=lambda m: m.path)
    found = {}
    for one in ordered:
        if one.masked is not None and not secrets:
            found[f"{SEPARATE}/{one.path}"] = (render(one.masked), False)
        else:
            found[one.path] = (render(one.data), one.is_secret)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [path for path in found if not path.startswith(f"{SEPARATE}/")],
    }
    return {KUSTOMIZATION: (render(kustomization), False), **found}


class _Dumper(WithoutAliases, yaml.CSafeDumper):
    """Text that some YAML parser might take for a number or a boolean is quoted."""


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = None
    if "\n" in text:
        style = "|"
    elif text[:1] in "+-.0123456789" or text.lower() in ("y", "n"):  # 12e4567 is a number to a parser of YAML 1.2
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
