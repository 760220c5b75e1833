"""The cluster's DNS: names of Services and of pods behind headless ones, from what the API server says.

A, SRV, PTR and CNAME (ExternalName) over UDP and TCP, and no other names. ``python -m tests.cluster.dns ADDRESS PKI``
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from .api import Api, Object, Objects

ZONE = "cluster.local"
TTL = 5
A, CNAME, PTR, SRV, ANY = 1, 5, 12, 33, 255

Table = dict[str, list[tuple[int, bytes]]]
"""Name → its records: type and data."""


def table_of(services: Objects, endpoints: Objects) -> Table:
    """All records of the zone."""
    table: Table = defaultdict(list)
    for (namespace, name), service in services.items():
        zone_name = f"{name}.{namespace}.svc.{ZONE}"
        table[zone_name] = table[zone_name]  # exists even without an address
        address = service["spec"].get("clusterIP")
        if service["spec"].get("type") == "ExternalName":
            table[zone_name].append((CNAME, _encoded(service["spec"]["externalName"])))
        elif address and address != "None":
            ports = [(port.get("name"), port.get("protocol", "TCP"), port["port"]) for port in service["spec"]["ports"]]
            _add(table, zone_name, zone_name, address, ports)
        else:
            for target, place, ports in _headless(zone_name, endpoints.get((namespace, name), {})):
                table[zone_name].append((A, socket.inet_aton(place)))
                _add(table, zone_name, target, place, ports)
    return table


def _headless(zone_name: str, endpoint: Object) -> Iterator[tuple[str, str, list[tuple[str | None, str, int]]]]:
    """The pods behind a headless Service: name, address and ports of each."""
    for subset in endpoint.get("subsets") or []:
        ports = [(port.get("name"), port.get("protocol", "TCP"), port["port"]) for port in subset.get("ports") or []]
        for address in subset.get("addresses") or []:
            host = address.get("hostname") or address["ip"].replace(".", "-")
            yield f"{host}.{zone_name}", address["ip"], ports


def _add(table: Table, zone_name: str, target: str, address: str, ports: list[tuple[str | None, str, int]]) -> None:
    table[target].append((A, socket.inet_aton(address)))
    table[".".join(reversed(address.split("."))) + ".in-addr.arpa"].append((PTR, _encoded(target)))
    for name, protocol, port in ports:
        if name:
            record = struct.pack(">3H", 0, 100, port) + _encoded(target)
            table[f"_{name}._{protocol.lower()}.{zone_name}"].append((SRV, record))


def answer(question: bytes, table: Table) -> bytes:
    """The answer to one DNS message."""
    identity, flags = struct.unpack(">2H", question[:4])
    labels, end = [], 12
    while question[end]:
        labels.append(question[end + 1 : end + 1 + question[end]].decode())
        end += question[end] + 1
    (wanted,) = struct.unpack(">H", question[end + 1 : end + 3])
    name = ".".join(labels).lower()
    found = [(name, *record) for record in table.get(name, ()) if wanted in (record[0], ANY) or record[0] == CNAME]
    known = name in table or any(other.endswith(f".{name}") for other in table)
    records = b"".join(
        _encoded(owner) + struct.pack(">2HIH", kind, 1, TTL, len(data)) + data for owner, kind, data in found
    )
    header = struct.pack(">6H", identity, 0x8480 | flags & 0x0100 | (0 if known else 3), 1, len(found), 0, 0)
    return header + question[12 : end + 5] + records


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


class Zone:
    """Follows the API server and holds the table of the moment."""

    def __init__(self, api: Api) -> None:
        self._lock = threading.Lock()
        self._services: Objects = {}
        self._endpoints: Objects = {}
        self.table: Table = {}
        for path, changed in (("/api/v1/services", self._see_services), ("/api/v1/endpoints", self._see_endpoints)):
            threading.Thread(target=api.follow, args=(path, changed), daemon=True).start()

    def _see_services(self, objects: Objects) -> None:
        with self._lock:
            self._services = dict(objects)
            self.table = table_of(self._services, self._endpoints)

    def _see_endpoints(self, objects: Objects) -> None:
        with self._lock:
            self._endpoints = dict(objects)
            self.table = table_of(self._services, self._endpoints)


class Server(socketserver.ThreadingUDPServer):
    """DNS over UDP."""

    def __init__(self, place: tuple[str, int], zone: Zone) -> None:
        super().__init__(place, Datagram)
        self.zone = zone


class StreamServer(socketserver.ThreadingTCPServer):
    """DNS over TCP."""

    allow_reuse_address = True

    def __init__(self, place: tuple[str, int], zone: Zone) -> None:
        super().__init__(place, Stream)
        self.zone = zone


class Datagram(socketserver.BaseRequestHandler):
    """One question over UDP."""

    server: Server

    def handle(self) -> None:
        """Answer it."""
        question, sender = self.request
        sender.sendto(answer(question, self.server.zone.table), self.client_address)


class Stream(socketserver.StreamRequestHandler):
    """One connection over TCP."""

    server: StreamServer

    def handle(self) -> None:
        """Answer its questions."""
        while size := self.rfile.read(2):
            reply = answer(self.rfile.read(struct.unpack(">H", size)[0]), self.server.zone.table)
            self.wfile.write(struct.pack(">H", len(reply)) + reply)


def main(address: str, pki: str) -> None:
    """Answer on port 53 of the address."""
    zone = Zone(Api(address, Path(pki)))
    threading.Thread(target=StreamServer((address, 53), zone).serve_forever, daemon=True).start()
    Server((address, 53), zone).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
