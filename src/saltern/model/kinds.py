"""The kinds of warnings: the names that ``saltern.yml`` uses to allow them."""

from __future__ import annotations

from enum import StrEnum


class WarningKind(StrEnum):
    """What a warning is about."""

    DUPLICATE_KEY = "duplicate-key"
    """One mapping defines a key twice; the later definition wins."""
    UNKNOWN_KEY = "unknown-key"
    """A file has a key at its top level that means nothing, and what it holds is ignored."""
    TAB = "tab"
    """A TAB stands where YAML wants spaces: Saltern's parser accepts it, others refuse the file."""
    YAML_BOOLEAN = "yaml-boolean"
    """`yes`, `no`, `on` or `off` without quotes, as key or value, is a boolean in YAML 1.1; as text it is `True`."""
    YAML_NUMBER = "yaml-number"
    """An unquoted number is not what it looks like in YAML 1.1: `0644` is 420, `22:22` is 1342."""
    NON_STRING_KEY = "non-string-key"
    """A key is a number, null or date. In dictionaries it becomes text, in dictionaries inside lists it stays."""
    UNUSED_CLASS = "unused-class"
    """No node includes the class."""
    UNUSED_PARAMETER = "unused-parameter"
    """No reference of any node or used class names this entry of `_param`."""
    MISSING_CLASS = "missing-class"
    """A class does not exist and is skipped, as `ignore_class_notfound` says."""
    OVERWRITTEN_REFERENCE = "overwritten-reference"
    """A reference has no value (or refers to itself), and a later class overwrites it."""
    LOST_VALUE = "lost-value"
    """A value of another type takes the place of a list or dictionary, as an `allow_…` option permits."""
    DUPLICATE_NODE = "duplicate-node"
    """Two definitions generate a node of the same name; the first one is used."""
    PLAIN_TEXT = "plain-secret"
    """A value whose key says that it is a secret is written in plain text."""
    SALT = "salt"
    """Salt warned of something while it compiled a formula."""
