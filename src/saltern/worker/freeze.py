"""Chunks that need pillar and templates → chunks that carry their text, and the list of files that they still need.

A frozen chunk with ``__exact__`` holds in ``contents`` the very bytes of the file (as text); :mod:`.apply` writes them
unchanged, where Salt's own ``contents`` would normalize line ends and trailing newlines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from . import compat, explain, node, warm
from .problem import Problem, Problems

EXACT = "__exact__"
TEMPLATE_KEYS = ("template", "context", "defaults")
SOURCE_KEYS = ("source", "sources", "source_hash", "source_hashes", "source_hash_name", "skip_verify", "use_etag")
CONTENTS_KEYS = ("contents", "contents_pillar", "contents_grains", "contents_newline", "contents_delimiter")
DYNAMIC = ("_modules", "_states", "_utils")

Chunk = dict[str, Any]


def run(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a ``freeze`` request."""
    target = node.of(request)
    with warm.loaders():
        return Freezer(target).freeze([dict(chunk) for chunk in request["chunks"]])


class Freezer:
    """Freezes the chunks of one node."""

    def __init__(self, target: node.Node) -> None:
        self._roots = target.roots
        self._accumulated: dict[str, dict[str, list[Any]]] = {}
        self._problems: list[Problem] = []
        self._target = target

    @cached_property
    def _functions(self) -> Any:
        """Salt's execution functions; chunks without templates need none."""
        import salt.state

        return salt.state.HighState(self._target.options).state.functions

    def freeze(self, chunks: Sequence[Chunk]) -> dict[str, Any]:
        """The answer's fields; raises all problems at once."""
        for chunk in chunks:
            self._note_accumulated(chunk)
        frozen = [result for chunk in chunks for result in self._frozen(chunk)]
        if self._problems:
            raise Problems(self._problems)
        return {"chunks": frozen, "files": self._files(frozen)}

    def _note_accumulated(self, chunk: Chunk) -> None:
        if (chunk["state"], chunk["fun"]) != ("file", "accumulated"):
            return
        texts = chunk.get("text")
        known = self._accumulated.setdefault(str(chunk.get("filename")), {}).setdefault(str(chunk["name"]), [])
        known += [text for text in (texts if isinstance(texts, list) else [texts]) if text not in known]

    def _frozen(self, chunk: Chunk) -> list[Chunk]:
        kinds = {
            "managed": self._managed,
            "recurse": self._recurse,
            "append": self._texts,
            "prepend": self._texts,
            "blockreplace": self._texts,
            "serialize": self._pillar_value,
            "decode": self._pillar_value,
        }
        if chunk["state"] != "file" or chunk["fun"] not in kinds:
            return [chunk]
        try:
            with compat.within(self._roots.files.get(self._roots.sls_file(str(chunk.get("__sls__", ""))), "")):
                return kinds[chunk["fun"]](chunk)
        except _Failed as failed:
            problem = failed.problem
            secrets = self._target.hidden()
            brief, details = (explain.hide(text, secrets) for text in (problem.brief, problem.details))
            self._problems.append(Problem(brief, self._roots.relative(problem.file), problem.line, details))
            return []

    def _managed(self, chunk: Chunk) -> list[Chunk]:
        if not chunk.get("template"):
            return [self._with_values(chunk)]
        if chunk.get("source"):
            path, mode = self._render(chunk, chunk["source"], str(chunk["name"]))
            text = _text(path)
            if text is None:
                return [chunk]  # a binary file: Salt does not render it either
            frozen = _without(chunk, *TEMPLATE_KEYS, *SOURCE_KEYS)
            if str(frozen.get("mode", "")).lower() == "keep":
                frozen["mode"] = mode
            return [{**frozen, "contents": text, EXACT: True}]
        valued = self._with_values(chunk)
        if valued.get("contents") is None:
            return [_without(chunk, *TEMPLATE_KEYS)]
        text = self._apply_template(chunk, _normalized(valued["contents"], newline=chunk.get("contents_newline", True)))
        return [{**_without(valued, *TEMPLATE_KEYS, *CONTENTS_KEYS), "contents": text, EXACT: True}]

    def _with_values(self, chunk: Chunk) -> Chunk:
        """``contents_pillar`` and ``contents_grains`` replaced by their values."""
        frozen = dict(chunk)
        for key, lookup in (("contents_pillar", "pillar.get"), ("contents_grains", "grains.get")):
            if chunk.get(key) is None:
                continue
            names = chunk[key] if isinstance(chunk[key], list) else [chunk[key]]
            values = [self._lookup(chunk, lookup, str(name)) for name in names]
            frozen.pop(key)
            frozen["contents"] = "\n".join(map(str, values)) if isinstance(chunk[key], list) else values[0]
        return frozen

    def _lookup(self, chunk: Chunk, function: str, name: str) -> Any:
        missing = object()
        value = self._functions[function](name, missing, delimiter=chunk.get("contents_delimiter", ":"))
        if value is missing:
            raise _Failed(chunk, f"{function.split('.', maxsplit=1)[0]} {name!r} does not exist")
        return value

    def _pillar_value(self, chunk: Chunk) -> list[Chunk]:
        """``file.serialize`` and ``file.decode`` with their data instead of a pillar's name."""
        frozen = dict(chunk)
        for key, plain in (("dataset_pillar", "dataset"), ("contents_pillar", "encoded_data")):
            if frozen.get(key):
                frozen[plain] = self._lookup(chunk, "pillar.get", str(frozen.pop(key)))
        return [frozen]

    def _texts(self, chunk: Chunk) -> list[Chunk]:
        """``file.append`` and the like: their sources, rendered, become their text."""
        sources = chunk.get("sources") or ([chunk["source"]] if chunk.get("source") else [])
        if not chunk.get("template") or not sources:
            return [chunk]
        texts = []
        for source in sources:
            text = _text(self._render(chunk, source, str(chunk["name"]))[0])
            texts.append(text or "")
        frozen = _without(chunk, *TEMPLATE_KEYS, *SOURCE_KEYS)
        if chunk["fun"] == "blockreplace":
            return [{**frozen, "content": str(chunk.get("content", "")) + "".join(texts)}]
        return [{**frozen, "text": texts}]

    def _recurse(self, chunk: Chunk) -> list[Chunk]:
        """A templated tree becomes one ``file.managed`` per file, under the same id, as ``names`` would."""
        if not chunk.get("template"):
            return [chunk]
        prefix = str(chunk["source"]).removeprefix("salt://").strip("/") + "/"
        names = [name for name in self._roots.files if name.startswith(prefix) and _wanted(name[len(prefix) :], chunk)]
        if not names:
            raise _Failed(chunk, f"source {chunk['source']} does not exist")
        common = {key: chunk[key] for key in chunk if key.startswith("__") or key in KEPT_OF_RECURSE}
        frozen = []
        for name in names:
            path, mode = self._render(chunk, f"salt://{name}", f"{chunk['name']}/{name[len(prefix) :]}")
            text = _text(path)
            file = {**common, "state": "file", "fun": "managed", "name": f"{chunk['name']}/{name[len(prefix) :]}"}
            wanted = chunk.get("file_mode")
            file |= {"makedirs": True, "mode": mode if str(wanted).lower() == "keep" else wanted}
            file |= {"dir_mode": chunk.get("dir_mode")}
            file |= {"source": f"salt://{name}"} if text is None else {"contents": text, EXACT: True}
            frozen.append({key: value for key, value in file.items() if value is not None})
        folder = {**common, "state": "file", "fun": "directory", "name": chunk["name"], "makedirs": True}
        if chunk.get("dir_mode"):
            folder["mode"] = chunk["dir_mode"]
        if chunk.get("clean"):
            folder["clean"] = True
            folder["require"] = [*(chunk.get("require") or ()), *({"file": file["name"]} for file in frozen)]
        return [*frozen, folder]

    def _render(self, chunk: Chunk, source: Any, name: str) -> tuple[str, str]:
        """Render a source; the path of the result and the source's own mode."""
        real = ""
        try:
            chosen, source_hash = self._functions["file.source_list"](source, chunk.get("source_hash", ""), "base")
            real = self._roots.files.get(str(chosen).removeprefix("salt://").strip("/"), "")
            arguments = {
                "name": name,
                "template": chunk["template"],
                "source": chosen,
                "source_hash": source_hash,
                "source_hash_name": chunk.get("source_hash_name"),
                "user": chunk.get("user"),
                "group": chunk.get("group"),
                "mode": chunk.get("mode"),
                "attrs": None,
                "saltenv": "base",
                "context": self._context(chunk, name),
                "defaults": chunk.get("defaults"),
                "skip_verify": bool(chunk.get("skip_verify")),
            }
            path, _, comment = self._functions["file.get_managed"](**arguments)
        except Exception as error:  # what a template raises
            raise _Failed(chunk, str(error), real) from error
        if not path:
            raise _Failed(chunk, str(comment), real)
        mode = f"{os.stat(real).st_mode & 0o7777:04o}" if real else "0644"
        return str(path), mode

    def _context(self, chunk: Chunk, name: str) -> dict[str, Any]:
        context = dict(chunk.get("context") or {})
        if name in self._accumulated:
            context["accumulator"] = self._accumulated[name]
        return context

    def _apply_template(self, chunk: Chunk, text: str) -> str:
        result = self._functions["file.apply_template_on_contents"](
            text,
            template=chunk["template"],
            context=self._context(chunk, str(chunk["name"])),
            defaults=chunk.get("defaults"),
            saltenv="base",
        )
        if not isinstance(result, str):
            raise _Failed(chunk, str(result.get("comment") or result))
        return result

    def _files(self, chunks: Sequence[Chunk]) -> dict[str, str]:
        """Relative path → hash of every file of the roots that the chunks use."""
        from .files import sha256

        used: set[str] = set()
        for chunk in chunks:
            for url in _urls(chunk):
                used |= self._below(url.removeprefix("salt://").split("?")[0].strip("/"))
            used |= self._dynamic(chunk)
        return {name: sha256(self._roots.files[name]) for name in sorted(used)}

    @cached_property
    def _state_modules(self) -> Any:
        """State module → its file, as Salt's own loader of states lists them."""
        from salt.loader import _module_dirs
        from salt.loader.lazy import LazyLoader

        options = self._target.options
        return LazyLoader(_module_dirs(options, "states"), options, tag="states").file_mapping

    def _below(self, path: str) -> set[str]:
        if path in self._roots.files:
            return {path}
        return {name for name in self._roots.files if name.startswith(path + "/")}

    def _dynamic(self, chunk: Chunk) -> set[str]:
        """The modules that the formulas bring, when the chunk's function is one of theirs or may call them."""
        provider = self._state_modules.get(chunk["state"])  # without loading it: see compile
        salts_own = provider and not self._roots.root_of(os.path.realpath(provider[0]))
        if salts_own and chunk["state"] != "module" and not _calls_functions(chunk):
            return set()
        return {name for name in self._roots.files if name.split("/")[0] in DYNAMIC and name.endswith(".py")}


KEPT_OF_RECURSE = frozenset(
    (
        *("user", "group", "order", "unless", "onlyif", "replace", "backup", "failhard", "makedirs"),
        *("require", "watch", "onchanges", "onfail", "prereq", "listen"),
        *("require_any", "watch_any", "onchanges_any", "onfail_any"),
    )
)


class _Failed(Exception):  # noqa: N818 - it only carries a problem to the loop
    def __init__(self, chunk: Chunk, text: str, file: str = "") -> None:
        found = explain.explain(text)
        where, line = found.file or file, found.line
        if not line:
            where, line = str(chunk.get("__file__", "")), int(chunk.get("__line__", 0))
        brief = f"cannot render {chunk['name']} of state {chunk['__id__']!r}: {found.brief}"
        self.problem = Problem(brief, where, line, found.details)
        super().__init__(brief)


def _wanted(name: str, chunk: Chunk) -> bool:
    from salt.utils.stringutils import check_include_exclude

    return bool(check_include_exclude(name, chunk.get("include_pat"), chunk.get("exclude_pat")))


def _text(path: str) -> str | None:
    """A file's content, or None when it is not UTF-8; a temporary file of Salt's is removed."""
    data = Path(path).read_bytes()
    if os.path.basename(path).startswith("__salt.tmp."):
        os.unlink(path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _normalized(contents: Any, *, newline: bool) -> str:
    """What ``file.managed`` makes of ``contents`` before it renders them (its own rule, not ours)."""
    parts = contents if isinstance(contents, list) else [contents]
    text = "".join(line.rstrip("\r\n") + "\n" for part in parts for line in str(part).splitlines())
    return text if newline else text.rstrip("\r\n")


def _without(chunk: Mapping[str, Any], *keys: str) -> Chunk:
    return {key: value for key, value in chunk.items() if key not in keys}


def _urls(value: Any) -> Iterator[str]:
    """All ``salt://`` texts anywhere in a value, but not in the contents of files."""
    if isinstance(value, str):
        if value.startswith("salt://"):
            yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key != "contents":
                yield from _urls(item)
    elif isinstance(value, list):
        for item in value:
            yield from _urls(item)


def _calls_functions(chunk: Chunk) -> bool:
    """Whether a condition of the chunk is an execution function (``unless: [{fun: …}]``), maybe one of a formula's."""
    conditions = (chunk.get(key) or () for key in ("unless", "onlyif", "check_cmd"))
    return any(isinstance(one, dict) for items in conditions if isinstance(items, list) for one in items)
