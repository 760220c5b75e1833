"""YAML as people read it."""

from __future__ import annotations

from typing import Any

import yaml


class WithoutAliases:
    """In front of one of PyYAML's dumpers: values that are shared are written as often as they occur."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Of any value."""
        return True


class _Dumper(WithoutAliases, yaml.SafeDumper):
    pass


def block_text(data: dict[str, Any]) -> str:
    """Block style without aliases, in the order of ``data``."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)
