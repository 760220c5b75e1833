"""Pages about a cloud for people: one per node and an index, in Markdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from saltern.formulas.documents import Document, Role
from saltern.formulas.metadata import Metadata
from saltern.model.settings import NodeSettings

HEADER = "<!-- Made by saltern; edit the model instead. -->\n"
INDEX = "index.md"


@dataclass(frozen=True)
class Described:
    """A node with what its formulas tell. No text has a secret in it."""

    name: str
    node: str
    settings: NodeSettings
    applications: tuple[str, ...]
    metadata: Metadata
    documents: tuple[Document, ...] = field(default=())


def pages(cloud: str, nodes: Sequence[Described]) -> dict[str, str]:
    """Path → text of all pages; the same nodes give the same text."""
    ordered = sorted(nodes, key=lambda node: node.name)
    hosts = {host: node.name for node in ordered for host in (node.node, node.name)}
    found = {INDEX: _index(cloud, ordered)}
    return found | {f"{node.name}.md": _page(node, hosts) for node in ordered}


def _index(cloud: str, nodes: Sequence[Described]) -> str:
    rows = [
        (f"[{_plain(n.name)}]({n.name}.md)", _plain(", ".join(d.name for d in n.documents)), _told(n)) for n in nodes
    ]
    return _text([f"# {_plain(cloud)}", "", *_table(("node", "services", "what for"), rows)])


def _told(node: Described) -> str:
    return _plain(" ".join(one.description for one in node.documents if one.description))


def _page(node: Described, hosts: dict[str, str]) -> str:
    return _text(
        [
            f"# {_plain(node.name)}",
            "",
            *_table(("", ""), _facts(node)),
            *_section("Where users reach it", ("name", "address", "port"), _published(node)),
            *_section("Processes", ("process", "ports", "user"), _processes(node)),
            *_section("Data", ("volume", "path", "kind"), _volumes(node)),
            *_section("Talks to", ("host", "port", "waits for it"), _peers(node, hosts)),
            *(line for one in node.documents for line in _service(one)),
        ]
    )


def _facts(node: Described) -> Iterator[tuple[str, str]]:
    yield "node", _code(node.node)
    yield "applications", ", ".join(map(_code, node.applications))
    yield "base", _code(node.settings.base)
    yield "target", _code(node.settings.target)
    if node.settings.replicas > 1:
        yield "replicas", str(node.settings.replicas)
    if node.metadata.data_plane:
        yield "data plane", "guests' traffic goes through it"


def _published(node: Described) -> Iterator[tuple[str, ...]]:
    for one in node.settings.publish:
        yield _plain(one.name), _code(one.host or one.address), str(one.port)


def _processes(node: Described) -> Iterator[tuple[str, ...]]:
    for name, hints in sorted(node.metadata.processes.items()):
        if hints.enabled:
            yield _code(name), ", ".join(map(str, hints.ports)), _code(hints.user or "")


def _volumes(node: Described) -> Iterator[tuple[str, ...]]:
    for one in node.metadata.volumes:
        yield _code(one.name), _code(one.path), f"{one.kind}, of {_plain(one.of)}" if one.of else one.kind


def _peers(node: Described, hosts: dict[str, str]) -> Iterator[tuple[str, ...]]:
    both = ((node.metadata.connects, "yes"), (node.metadata.reaches, "no"))
    for connections, waits in both:
        for one in connections:
            name = hosts.get(one.host)
            shown = f"[{_plain(one.host)}]({name}.md)" if name else _plain(one.host)
            yield shown, str(one.port or "any"), waits


def _service(one: Document) -> Iterator[str]:
    yield from ("", f"## {_plain(one.name)}")
    if one.description:
        yield from ("", _plain(one.description))
    for role in one.roles:
        yield from _role(role)


def _role(role: Role) -> Iterator[str]:
    yield from ("", f"### {_plain(role.name)}")
    answers = [(_plain(e.name), _plain(e.type), _code(e.address), _plain(e.protocol)) for e in role.endpoints]
    if answers:
        yield from ("", *_table(("endpoint", "type", "address", "protocol"), answers))
    settings = [(_plain(s.name), "<br>".join(map(_code, s.values))) for s in role.settings]
    if settings:
        yield from ("", *_table(("setting", "value"), settings))


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = [*rows]
    return ["", f"## {title}", "", *_table(columns, found)] if found else []


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] * len(columns), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _text(lines: Sequence[str]) -> str:
    return HEADER + "\n" + "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """A value as it is; a table's bar ends a cell even there."""
    if not text:
        return ""
    return _plain(text) if "`" in text else f"`{' '.join(text.split())}`".replace("|", "\\|")
