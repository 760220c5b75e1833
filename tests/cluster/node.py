"""A node: containerd, kubelet and kube-proxy in a machine of their own."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from pathlib import Path

from . import cgroups
from .certificates import Certificates
from .control import REGISTRY_PORT, Control
from .machine import Machine, wait_until
from .site import Site

UNLIMITED = resource.RLIM_INFINITY
PAUSE = "saltern/pause:1"
TUNED = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What a kubelet sets for the whole machine; it sees these values, and leaves the real ones alone."""

CONTAINERD = """\
version = 2
root = "{data}/containerd"
state = "/run/containerd/state"
oom_score = 0
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{data}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{cni}"
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  base_runtime_spec = "{spec}"
[plugins."io.containerd.grpc.v1.cri".registry.mirrors."{registry}"]
  endpoint = ["http://{pull}"]
"""


class Node:
    """Node ``number`` (from 1) of a cluster."""

    def __init__(self, site: Site, certificates: Certificates, control: Control, number: int) -> None:
        self._site = site
        self._certificates = certificates
        self._control = control
        self._number = number
        self.name = f"node{number}"
        self._folder = site.folder / self.name
        self._volatile = self._folder / "volatile"
        tuned = {f"/proc/sys/{name}": self._folder / "tuned" / name.replace("/", ".") for name in TUNED}
        places = {"/run/netns": "netns", "/run/containerd": "containerd", "/var/lib/cni": "cni"}
        private = {place: self._volatile / name for place, name in places.items()}
        self.machine = Machine(self._folder, {**tuned, **private, "/var/log": self._folder / "log"})

    @property
    def _cgroup(self) -> str:
        return f"{self._site.cgroups}-{self.name}"

    def boot(self) -> None:
        """The machine, its network and its containerd."""
        self._prepare()
        self.machine.boot()
        self._join_network()
        self.machine.start("containerd", ("containerd", "-c", str(self._folder / "containerd.toml")))
        wait_until(self._containerd_answers, 30, f"containerd of {self.name}")
        archive = str(self._site.folder / "pause.tar")
        self.machine.run(("ctr", "-n", "k8s.io", "images", "import", archive))

    def serve(self) -> None:
        """What needs an API server: kubelet and kube-proxy. Whether it is ready is what the API server says."""
        socket = "unix:///run/containerd/containerd.sock"
        self.machine.start(
            "kubelet",
            (
                *(self._site.program("kubelet"), "--v=2", f"--config={self._folder / 'kubelet.json'}"),
                *(f"--kubeconfig={self._certificates.kubeconfig(self.name)}", f"--hostname-override={self.name}"),
                *(f"--node-ip={self._site.addresses.node(self._number)}", f"--root-dir={self._folder / 'kubelet'}"),
                *("--container-runtime=remote", f"--container-runtime-endpoint={socket}"),
                *(f"--image-service-endpoint={socket}", f"--cert-dir={self._folder / 'kubelet-certificates'}"),
            ),
        )
        path = f"{self._site.binaries / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"  # it calls iptables and conntrack
        proxy = (self._site.program("kube-proxy"), f"--config={self._folder / 'proxy.json'}")
        self.machine.start("proxy", ("env", f"PATH={path}", *proxy))

    def power_off(self) -> None:
        """Pull the plug; what lies on its disk stays."""
        self.machine.power_off()
        shutil.rmtree(self._volatile, ignore_errors=True)
        cgroups.remove(self._cgroup)

    def _prepare(self) -> None:
        """Folders, cgroups and configuration; a second start finds its own."""
        for name in ("netns", "containerd", "cni"):
            (self._volatile / name).mkdir(parents=True, exist_ok=True)
        for place in ("/run/netns", "/run/containerd", "/var/lib/cni"):
            Path(place).mkdir(parents=True, exist_ok=True)
        (self._folder / "log").mkdir(exist_ok=True)
        for name, value in TUNED.items():
            self._write(f"tuned/{name.replace('/', '.')}", value + "\n")
        cgroups.make(self._cgroup)
        self._write("containerd.toml", self._containerd())
        self._write("cni/10-pods.conflist", self._pod_network())
        self._write("runtime.json", _runtime_spec())
        self._write("resolv.conf", "")
        self._write("kubelet.json", self._kubelet())
        self._write("proxy.json", self._proxy())

    def _write(self, path: str, content: str | dict[str, object]) -> None:
        self._site.write(f"{self.name}/{path}", content)

    def _join_network(self) -> None:
        """A cable to the control machine's bridge; that machine knows the ways to all pods."""
        addresses = self._site.addresses
        self._control.plug(self._number, self.machine.pid)
        self.machine.ip(
            f"address add {addresses.node(self._number)}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {addresses.control}",
        )
        self.machine.run(("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.route_localnet=1"))

    def _containerd_answers(self) -> bool:
        try:
            self.machine.run(("ctr", "version"))
        except RuntimeError:
            return False
        return True

    def _containerd(self) -> str:
        return CONTAINERD.format(
            data=self._folder,
            pause=f"docker.io/{PAUSE}",
            cni=self._folder / "cni",
            spec=self._folder / "runtime.json",
            registry=self._site.registry,
            pull=f"{self._site.addresses.control}:{REGISTRY_PORT}",
        )

    def _pod_network(self) -> dict[str, object]:
        """Each pod has a cable to its node and is reached by routes."""
        ranges = [[{"subnet": self._site.addresses.pods_of(self._number)}]]
        addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}, ports],
        }

    def _kubelet(self) -> dict[str, object]:
        path = self._certificates.path
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self._site.addresses.node(self._number),
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": path("ca.crt")}},
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": path(f"{self.name}.crt"),
            "tlsPrivateKeyFile": path(f"{self.name}.key"),
            "clusterDNS": [self._site.addresses.dns],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self._folder / "resolv.conf"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._cgroup}",
            "failSwapOn": False,
            "maxOpenFiles": min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1_000_000),
            "oomScoreAdj": 0,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "2%", "imagefs.available": "2%"},
            "imageGCHighThresholdPercent": 98,
            "imageGCLowThresholdPercent": 95,
            "volumePluginDir": str(self._folder / "plugins"),
            "syncFrequency": "10s",
            "nodeStatusUpdateFrequency": "4s",
            "nodeLeaseDurationSeconds": 20,
        }

    def _proxy(self) -> dict[str, object]:
        untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "bindAddress": self._site.addresses.node(self._number),
            "hostnameOverride": self.name,
            "clusterCIDR": self._site.addresses.pods,
            "oomScoreAdj": 0,
            "clientConnection": {"kubeconfig": str(self._certificates.kubeconfig("proxy"))},
            "conntrack": untouched,
            "iptables": {"minSyncPeriod": "0s", "syncPeriod": "30s"},
        }


def _runtime_spec() -> dict[str, object]:
    """containerd's own, with this machine's limits: raising them is not allowed everywhere."""
    made = subprocess.run(("ctr", "oci", "spec"), capture_output=True, check=True)
    spec: dict[str, object] = json.loads(made.stdout)
    hard = {name: resource.getrlimit(getattr(resource, name))[1] for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC")}
    limits = [{"type": name, "hard": value, "soft": value} for name, value in hard.items() if value != UNLIMITED]
    spec["process"] = {**spec["process"], "rlimits": limits}  # type: ignore[dict-item]
    return spec
