"""Lets the Python client of Open vSwitch 3.1 find a database by its host's name, as the other clients and later releases do.

It would take addresses only, and one that it was given at the start is another one when the database's container was replaced. The
name is looked up for each connection. A .pth file of this name loads it; it waits for the client's module because eventlet has to
be there before that.
"""
import importlib.abc
import importlib.machinery
import sys

MODULE = "ovs.socket_util"


class Names(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: (execute(module), teach(module))
        return spec


def teach(module):
    import socket

    parse = module.inet_parse_active

    def inet_parse_active(target, default_port):
        host, port = parse(target, default_port)
        try:
            # eventlet gives its parameters other names
            return socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)[0][4][0], port
        except OSError:
            return host, port

    module.inet_parse_active = inet_parse_active


sys.meta_path.insert(0, Names())
