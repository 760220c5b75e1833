"""Certificates for tests, made anew each time with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
DAYS = ("-days", "3650")


class Authority:
    """Signs certificates, ``NAME.crt`` and ``NAME.key`` in a folder; its own are called ca."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Its own certificate, in a folder that it makes."""
        self.folder.mkdir(parents=True)
        self.openssl("req", "-x509", *KEY, *DAYS, "-subj", "/CN=saltern-tests", "-keyout", "ca.key", "-out", "ca.crt")

    def issue(self, name: str, subject: str, names: str = "") -> None:
        """One for a server and a client, with ``names`` as ``DNS:NAME`` and ``IP:ADDRESS``, separated by commas."""
        usage = "extendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature,keyEncipherment\n"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(usage + (f"subjectAltName={names}\n" if names else ""))
        self.openssl("req", *KEY, "-subj", subject, "-keyout", f"{name}.key", "-out", f"{name}.csr")
        authority = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial")
        self.openssl(
            *("x509", "-req", "-in", f"{name}.csr", *authority, *DAYS),
            *("-extfile", str(extensions), "-out", f"{name}.crt"),
        )

    def openssl(self, *arguments: str) -> None:
        """Run it in the folder."""
        subprocess.run(("openssl", *arguments), cwd=self.folder, check=True, capture_output=True)
