"""``python -m tests.cluster``: a cluster to try things on, until Ctrl-C."""

from __future__ import annotations

import contextlib
import signal
import sys

from . import binaries
from .cluster import started

with started() as cluster:
    sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
    sys.stdout.write(f"# kubectl: {binaries.folder() / 'bin' / 'kubectl'}\n")
    sys.stdout.write(f"# registry, for this machine and the nodes: {cluster.registry} (plain HTTP)\n")
    sys.stdout.write(f"# NodePorts: {cluster.node_address(1)} and {cluster.node_address(2)}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        signal.pause()
