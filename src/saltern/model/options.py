"""The options of the inventory, with the names and defaults of the reference (kapicorp-reclass 2.0.0)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from saltern.base.errors import Place
from saltern.model.template import Syntax


@dataclass(frozen=True)
class Options:
    """How a model is merged and interpolated; see docs/reference/model.md for each."""

    allow_scalar_over_dict: bool = False
    allow_scalar_over_list: bool = False
    allow_list_over_scalar: bool = False
    allow_dict_over_scalar: bool = False
    allow_none_override: bool = False
    automatic_parameters: bool = True
    default_environment: str = "base"
    delimiter: str = ":"
    dict_key_constant_prefix: str = "="
    dict_key_override_prefix: str = "~"
    escape_character: str = "\\"
    export_sentinels: tuple[str, str] = ("$[", "]")
    reference_sentinels: tuple[str, str] = ("${", "}")
    ignore_class_notfound: bool = False
    ignore_class_notfound_regexp: tuple[str, ...] = (".*",)
    ignore_class_notfound_warning: bool = True
    ignore_overwritten_missing_references: bool = True
    strict_constant_parameters: bool = True
    inventory_ignore_failed_node: bool = False
    inventory_ignore_failed_render: bool = False
    compose_node_name: bool = False
    class_mappings: tuple[str, ...] = ()
    class_mappings_match_path: bool = False
    class_mappings_place: Place | None = field(default=None, compare=False)
    """Where a file gives :attr:`class_mappings`: for problems."""
    generated_nodes: bool = True
    """Saltern's own: ``reclass:storage:node`` definitions are nodes."""

    @cached_property
    def syntax(self) -> Syntax:
        """The characters with a meaning that these options set."""
        return Syntax(
            delimiter=self.delimiter,
            reference=self.reference_sentinels,
            query=self.export_sentinels,
            escape=self.escape_character,
            overwrite=self.dict_key_override_prefix,
            constant=self.dict_key_constant_prefix,
        )
