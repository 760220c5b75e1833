"""The control machine: etcd, API server, controllers, scheduler, DNS, the nodes' side of the registry.

It holds the bridge that all machines of the cluster hang on, the test machine too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
from pathlib import Path

from .api import Api, Object
from .certificates import Certificates
from .machine import Machine, end_recorded, ip, start_recorded
from .site import Site
from .volumes import STORAGE_CLASS

REGISTRY_PORT = 5000
NODE_GRACE = 20
"""Seconds without news after which a node counts as lost; Kubernetes' default is 40."""
POD_GRACE = 15
"""Seconds until the pods of a lost node are made elsewhere; Kubernetes' default is 300."""
BRIDGE = "02:00:00:61:00:01"
"""The hardware address of the bridge; without one it would change as the nodes come and go."""
MODULES = Path(__file__).resolve().parents[2]
"""Where ``python -m tests.cluster.dns`` finds itself."""


class Control:
    """Starts and stops the parts; each can be ended by itself to try a fault."""

    def __init__(self, site: Site, certificates: Certificates, nodes: int) -> None:
        self._site = site
        addresses = site.addresses
        self._pod_routes = [
            f"route add {addresses.pods_of(number)} via {addresses.node(number)}" for number in range(1, nodes + 1)
        ]
        self._certificates = certificates
        self.machine = Machine(site.folder / "control", {})
        self._registry: subprocess.Popen[bytes] | None = None

    @functools.cached_property
    def api(self) -> Api:
        """The client; its certificates are there when the first call is made."""
        return Api(self._site.addresses.control, Path(self._certificates.path("")))

    def boot(self) -> None:
        """The machine, its network, and etcd and the API server on their way."""
        self.machine.boot()
        self.machine.run(("sysctl", "-qw", "net.ipv4.ip_forward=1"))
        addresses = self._site.addresses
        self.machine.ip(
            f"link add nodes address {BRIDGE} type bridge",
            f"address add {addresses.control}/24 dev nodes",
            "link set nodes up",
            f"link add {self._site.link} type veth peer name host",
            "link set host master nodes up",
            f"link set {self._site.link} netns {os.getpid()}",
        )
        ip(f"address add {addresses.host}/24 dev {self._site.link}", f"link set {self._site.link} up")
        ip(*self._pod_routes)
        self.machine.ip(*self._pod_routes)
        self.start_etcd()
        self.start_apiserver()
        self._start_registry()

    def plug(self, number: int, pid: int) -> None:
        """Lay a cable from the bridge to a node, whose end is called eth0."""
        port = f"port{number}"
        with contextlib.suppress(RuntimeError):  # of a node that was switched off a moment ago
            self.machine.ip(f"link delete {port}")
        self.machine.ip(f"link add {port} type veth peer name eth0 netns {pid}", f"link set {port} master nodes up")

    def start_etcd(self) -> None:
        """Its data lies in the memory of the machine: a slow disk is no subject of these tests."""
        data = self._site.folder / "etcd"
        if not data.exists():
            data.mkdir()
            self.machine.run(("mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(data)))
        client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
        self.machine.start(
            "etcd",
            (
                *(self._site.program("etcd"), "--name=only", f"--data-dir={data}", "--logger=zap"),
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=only={peer}",
            ),
        )

    def start_apiserver(self) -> None:
        """Start it; :meth:`Api.ready` tells when it answers."""
        path, addresses = self._certificates.path, self._site.addresses
        flags = {
            "etcd-servers": "http://127.0.0.1:2379",
            "bind-address": addresses.control,
            "advertise-address": addresses.control,
            "insecure-port": "0",
            "client-ca-file": path("ca.crt"),
            "tls-cert-file": path("apiserver.crt"),
            "tls-private-key-file": path("apiserver.key"),
            "kubelet-certificate-authority": path("ca.crt"),
            "kubelet-client-certificate": path("admin.crt"),
            "kubelet-client-key": path("admin.key"),
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": path("accounts.pub"),
            "service-account-signing-key-file": path("accounts.key"),
            "requestheader-client-ca-file": path("ca.crt"),
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "proxy-client-cert-file": path("front-proxy.crt"),
            "proxy-client-key-file": path("front-proxy.key"),
            "service-cluster-ip-range": addresses.services,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "default-not-ready-toleration-seconds": str(POD_GRACE),
            "default-unreachable-toleration-seconds": str(POD_GRACE),
        }
        self.machine.start("apiserver", (self._site.program("kube-apiserver"), *_flags(flags)))

    def manage(self) -> None:
        """What needs an API server that is ready: the controllers, the scheduler, DNS, volumes."""
        path, kubeconfig = self._certificates.path, self._certificates.kubeconfig
        common = {"bind-address": "127.0.0.1", "port": "0", "leader-elect": "false"}
        manager = {
            "cert-dir": str(self._site.folder / "control" / "controller-manager"),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": path("accounts.key"),
            "root-ca-file": path("ca.crt"),
            "cluster-signing-cert-file": path("ca.crt"),
            "cluster-signing-key-file": path("ca.key"),
            "service-cluster-ip-range": self._site.addresses.services,
            "node-monitor-period": "2s",
            "node-monitor-grace-period": f"{NODE_GRACE}s",
        }
        scheduler = {"cert-dir": str(self._site.folder / "control" / "scheduler")}
        for name, flags in (("controller-manager", manager), ("scheduler", scheduler)):
            own = {flag: str(kubeconfig(name)) for flag in KUBECONFIG_FLAGS}
            self.machine.start(name, (self._site.program(f"kube-{name}"), *_flags(own | common | flags)))
        place = (self._site.addresses.control, path(""))
        self._start_module("dns", *place)
        self._start_module("volumes", *place, str(self._site.folder / "volumes"))
        for collection, item in self._first_objects():
            self.api.call("POST", collection, item)

    def power_off(self) -> None:
        """End all of it."""
        end_recorded(self._site.folder / "registry.pid")
        if self._registry:
            self._registry.wait()
        self.machine.power_off()

    def _start_module(self, name: str, *arguments: str) -> None:
        self.machine.start(name, ("env", "-C", str(MODULES), sys.executable, "-m", f"tests.cluster.{name}", *arguments))

    def _start_registry(self) -> None:
        """Two servers over one folder: this machine pushes to the one on its loopback, nodes pull from the other."""
        for name, address, readonly in (
            ("push", self._site.registry, False),
            ("pull", f"{self._site.addresses.control}:{REGISTRY_PORT}", True),
        ):
            storage = {
                "filesystem": {"rootdirectory": str(self._site.folder / "registry")},
                "delete": {"enabled": True},
                "maintenance": {"readonly": {"enabled": readonly}},
            }
            content: Object = {
                "version": "0.1",
                "storage": storage,
                "http": {"addr": address, "secret": "the same"},
                "log": {"level": "warn"},
            }
            argv = ("docker-registry", "serve", str(self._site.write(f"registry-{name}.yml", content)))
            if readonly:
                self.machine.start("registry", argv)
            else:
                log, pid = self._site.folder / "registry.log", self._site.folder / "registry.pid"
                self._registry = start_recorded(argv, log, pid)

    def _first_objects(self) -> list[tuple[str, Object]]:
        ports = [
            {"name": name, "port": 53, "protocol": protocol} for name, protocol in (("dns", "UDP"), ("tcp", "TCP"))
        ]
        metadata = {"name": "kube-dns", "namespace": "kube-system"}
        subsets = [{"addresses": [{"ip": self._site.addresses.control}], "ports": ports}]
        spec = {"clusterIP": self._site.addresses.dns, "ports": ports}
        system = "/api/v1/namespaces/kube-system"
        return [
            (f"{system}/services", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
            (
                f"{system}/endpoints",
                {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": subsets},
            ),
            ("/apis/storage.k8s.io/v1/storageclasses", STORAGE_CLASS),
        ]


KUBECONFIG_FLAGS = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")


def _flags(values: dict[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
