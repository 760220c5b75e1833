"""Lets formulas of the Python 2 years run unmodified; only templates below a compat root are treated.

Jinja: ``iteritems``, ``itervalues``, ``iterkeys`` and ``has_key`` of mappings, lists (not views) from ``keys``,
``values`` and ``items``, the literals ``0600`` (Jinja of that time read it as decimal 600) and ``u'text'``.
YAML: ``u'text'`` in a flow collection, where a Python 2 repr was put into a template.
States: ``gid_from_name`` of ``user.present``, which Salt has no more.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

METHODS: Mapping[str, Callable[[Mapping[Any, Any]], Callable[..., Any]]] = {
    "iteritems": lambda mapping: lambda: list(mapping.items()),
    "itervalues": lambda mapping: lambda: list(mapping.values()),
    "iterkeys": lambda mapping: lambda: list(mapping.keys()),
    "items": lambda mapping: lambda: list(mapping.items()),
    "values": lambda mapping: lambda: list(mapping.values()),
    "keys": lambda mapping: lambda: list(mapping.keys()),
    "has_key": lambda mapping: lambda key: key in mapping,
}
"""What a mapping's methods gave in Python 2."""

BLOCK = re.compile(r"\{#.*?#\}|\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
TOKEN = re.compile(
    r"""(?P<unicode>(?<![\w.])[uU](?=['"]))|(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|"""
    r"""(?P<octal>(?<![\w.])0+(?=[1-9]\d*(?![\w.])))""",
    re.DOTALL,
)
STRING_OR_PREFIX = re.compile(r"""(?P<prefix>(?<=[\[{(,:\s])u(?=['"]))|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")

_roots: tuple[str, ...] = ()
_rendered: dict[str, str] = {}
"""What each SLS of this request rendered to, for the places of YAML errors."""
_current: ContextVar[str] = ContextVar("template", default="")


def use(roots: Sequence[str]) -> None:
    """Set the roots of this request whose templates need the mode."""
    global _roots  # noqa: PLW0603 - one request at a time; Jinja's environment has no other way to get it
    _roots = tuple(root.rstrip("/") + "/" for root in roots)
    _rendered.clear()


def rendered(file: str) -> list[str]:
    """The lines that a file rendered to in this request."""
    return _rendered.get(file, "").split("\n")


def applies(file: str | None) -> bool:
    """Whether a template file needs the mode; a template without a file belongs to the one around it."""
    path = file if file and file.startswith("/") else _current.get()
    return bool(_roots) and path.startswith(_roots)


@contextlib.contextmanager
def within(file: str) -> Iterator[None]:
    """Templates without a file of their own (``contents``) belong to ``file`` inside the block."""
    token = _current.set(file)
    try:
        yield
    finally:
        _current.reset(token)


def jinja(source: str) -> str:
    """A template's source with the literals of Python 2 in its Jinja blocks replaced."""
    return BLOCK.sub(_block, source)


def _block(match: re.Match[str]) -> str:
    text = match.group()
    if text.startswith("{#") or re.match(r"\{%-?\s*raw\b", text):
        return text
    return TOKEN.sub(lambda token: token.group("string") or "", text)


def yaml(text: str) -> str:
    """Rendered YAML without the ``u`` before strings of flow collections."""
    return "\n".join(_line(line) if "u'" in line or 'u"' in line else line for line in text.split("\n"))


def _line(line: str) -> str:
    start = min((place for place in (line.find("["), line.find("{")) if place >= 0), default=-1)
    if start < 0:
        return line
    head, flow = line[:start], line[start:]
    return head + STRING_OR_PREFIX.sub(lambda match: "" if match.group("prefix") else match.group(), flow)


def method(value: Any, name: str) -> Any:
    """``value.name`` as Python 2 had it; for what is no mapping, or has a key of that name, as it is."""
    if isinstance(value, Mapping) and name in METHODS:
        return METHODS[name](value)
    return getattr(value, name)


def accounts(chunks: Sequence[dict[str, Any]], files: Mapping[str, str]) -> None:
    """Say ``gid_from_name`` as today's Salt takes it; ``files`` has the real path of each ``__file__``.

    The user's main group is the one of its name that a state makes; where none does, useradd makes it.
    """
    groups = {str(chunk["name"]) for chunk in chunks if (chunk["state"], chunk["fun"]) == ("group", "present")}
    for chunk in chunks:
        if (chunk["state"], chunk["fun"]) == ("user", "present") and applies(files.get(chunk["__file__"])):
            wanted = chunk.pop("gid_from_name", False)
            if wanted and "gid" not in chunk and str(chunk["name"]) in groups:
                chunk["gid"] = str(chunk["name"])


def install() -> None:
    """Give Salt's renderers a Jinja environment that knows the mode, and that compiles each template once."""
    import salt.utils.templates

    sandbox = importlib.import_module("jinja2.sandbox")
    salt.utils.templates.jinja2.sandbox.SandboxedEnvironment = _environment(sandbox.SandboxedEnvironment)
    original = salt.utils.templates.JINJA

    def render(tmplsrc: Any, *args: Any, **kwargs: Any) -> Any:
        file = kwargs.get("tmplpath") or (tmplsrc if isinstance(tmplsrc, str) and tmplsrc.startswith("/") else "")
        with within(str(file)) if file else contextlib.nullcontext():
            result = original(tmplsrc, *args, **kwargs)
            if kwargs.get("to_str") and isinstance(result.get("data"), str):
                if applies(str(file)):
                    result["data"] = yaml(result["data"])
                _rendered[str(file)] = result["data"]
            return result

    render.render_str = original.render_str  # type: ignore[attr-defined]
    salt.utils.templates.JINJA = salt.utils.templates.TEMPLATE_REGISTRY["jinja"] = render


def _environment(base: Any) -> Any:
    """Salt's sandbox with the mode's rewriting, and with the code of templates kept for the next node."""
    nodes: Any = importlib.import_module("jinja2.nodes")  # known only to the toolchain's Python, so not to mypy
    transformer: Any = importlib.import_module("jinja2.visitor").NodeTransformer

    class Rewriter(transformer):  # type: ignore[misc]
        """``x.iteritems`` → the filter ``python2`` over ``x``."""

        def visit_Getattr(self, node: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - Jinja's
            node = self.generic_visit(node, *args, **kwargs)
            if node.attr not in METHODS:
                return node
            arguments = [nodes.Const(node.attr, lineno=node.lineno)]
            return nodes.Filter(node.node, "saltern_python2", arguments, [], None, None, lineno=node.lineno)

    compiled: dict[tuple[Any, ...], Any] = {}

    class Environment(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.filters["saltern_python2"] = method

        def _parse(self, source: str, name: str | None, filename: str | None) -> Any:
            if not applies(filename):
                return super()._parse(source, name, filename)
            return Rewriter().visit(super()._parse(jinja(source), name, filename))

        def compile(self, source: Any, name: Any = None, filename: Any = None, *args: Any, **kwargs: Any) -> Any:
            if not isinstance(source, str) or args or kwargs:
                return super().compile(source, name, filename, *args, **kwargs)
            style = (self.trim_blocks, self.lstrip_blocks, self.keep_trailing_newline, self.block_start_string)
            key = (source, name, filename, applies(filename), frozenset(self.filters), style)
            if key not in compiled:
                compiled[key] = super().compile(source, name, filename)
            return compiled[key]

    return Environment
