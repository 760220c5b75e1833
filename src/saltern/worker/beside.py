"""Lets a job that has a network of its own act as if it were beside its service: the service's ports are its own.

Formulas reach what they have started at 127.0.0.1 or at the machine's own name, as on a machine.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterable

CHUNK = 65536
CONNECT_SECONDS = 30


def forward(host: str, ports: Iterable[int], listen: str = "") -> None:
    """Take connections at these ports, as long as this process lives, and make each to the same port of ``host``."""
    for port in ports:
        try:
            server = socket.create_server((listen, port))
        except OSError as error:
            sys.stderr.write(f"port {port} is not forwarded to {host}: {error}\n")
            continue
        threading.Thread(target=_serve, args=(server, host, port), daemon=True).start()


def _serve(server: socket.socket, host: str, port: int) -> None:
    while True:
        client, _ = server.accept()
        threading.Thread(target=_connect, args=(client, host, port), daemon=True).start()


def _connect(client: socket.socket, host: str, port: int) -> None:
    with client:
        try:
            there = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        except OSError:
            return  # the client sees its connection end, as from a service that is not there
        there.settimeout(None)
        with there:
            back = threading.Thread(target=_pump, args=(there, client), daemon=True)
            back.start()
            _pump(client, there)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source has no more; the other way may still have."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
