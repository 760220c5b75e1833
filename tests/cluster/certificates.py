"""The cluster's certificates and kubeconfigs, made anew for each cluster with openssl."""

from __future__ import annotations

from pathlib import Path

from ..authority import Authority
from .site import Site


class Certificates:
    """Files ``NAME.crt`` and ``NAME.key`` below ``pki`` of the cluster's folder."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._authority = Authority(site.folder / "pki")

    def make(self, nodes: int) -> None:
        """All certificates of a cluster with so many nodes."""
        self._authority.make()
        self._authority.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "accounts.key")
        self._authority.openssl("ec", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
        self._authority.issue("apiserver", "/CN=kube-apiserver", self._api_names())
        self._authority.issue("front-proxy", "/CN=front-proxy-client")
        self._user("admin", "/O=system:masters/CN=admin")
        self._user("controller-manager", "/CN=system:kube-controller-manager")
        self._user("scheduler", "/CN=system:kube-scheduler")
        self._user("proxy", "/CN=system:kube-proxy")
        for number in range(1, nodes + 1):
            name = f"node{number}"
            names = f"DNS:{name},IP:{self._site.addresses.node(number)}"
            self._user(name, f"/O=system:nodes/CN=system:node:{name}", names)

    def path(self, name: str) -> str:
        """One of the files."""
        return str(self._authority.folder / name)

    def kubeconfig(self, user: str) -> Path:
        """How that user reaches the API server."""
        return self._authority.folder / f"{user}.kubeconfig"

    def _api_names(self) -> str:
        addresses = self._site.addresses
        domains = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
        numbers = (addresses.control, addresses.kubernetes)
        return ",".join([*(f"DNS:{name}" for name in domains), *(f"IP:{number}" for number in numbers)])

    def _user(self, name: str, subject: str, names: str = "") -> None:
        self._authority.issue(name, subject, names)
        server = f"https://{self._site.addresses.control}:6443"
        here = {"cluster": "saltern-tests", "user": name}
        files = {"client-certificate": self.path(f"{name}.crt"), "client-key": self.path(f"{name}.key")}
        content: dict[str, object] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": here["cluster"], "cluster": {"server": server, "certificate-authority": self.path("ca.crt")}}
            ],
            "users": [{"name": name, "user": files}],
            "contexts": [{"name": here["cluster"], "context": here}],
            "current-context": here["cluster"],
        }
        self._site.write(f"pki/{name}.kubeconfig", content).chmod(0o600)
