"""What is in the images of a cloud, every layer of them, and what is not."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import Any

import pytest
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from saltern.images.engine import LABEL_KEY
from saltern.images.packages import SBOM_PATH
from saltern.project.context import Options, open_project

from .driver import CACHE, Cloud

SERVICES = ("glance", "keystone", "mariadb", "memcached", "rabbitmq")
SALT = re.compile(r"(^|/)(salt|salt[-_][^/]*)(/|$)")
STARTED = re.compile(
    r"^(var/)?run/.*\.(pid|sock)$"
    r"|^var/lib/mysql/(ibtmp1|mariadb_upgrade_info|multi-master\.info)$"
    r"|^var/lib/mysql/(?!mysql/|performance_schema/|sys/)[^/]+/"
    r"|^var/lib/mysql/[^/]*\.(pid|err)$"
    r"|^var/lib/rabbitmq/mnesia/.+"
    r"|^var/lib/(keystone|glance)/[^/]*\.(db|sqlite)$"
    r"|^etc/(keystone/(fernet|credential)-keys)/[0-9]+$"
)
"""What a service leaves behind when it was started, or a bootstrap when it was made. The package's own installation
makes MariaDB's three system databases, and nothing else."""
IDENTITIES = ("usr/sbin/policy-rc.d", "etc/ssh/ssh_host_rsa_key", "var/lib/rabbitmq/.erlang.cookie")
"""What packages make once per machine: in an image it would be the same for all."""

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")  # spdx-tools' own


@dataclass(frozen=True)
class Saved:
    """An image as it would be shipped."""

    tag: str
    config: Mapping[str, Any]
    layers: tuple[bytes, ...]
    names: frozenset[str]
    """Paths in any layer, without a leading slash."""

    @property
    def labels(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.config["config"]["Labels"]
        return found


def save(cloud: Cloud, tag: str) -> Saved:
    argv = [*cloud.engine.argv, "save", tag]
    env = {**environ, **cloud.engine.environment}
    layers: list[bytes] = []
    configs: list[dict[str, Any]] = []
    names: set[str] = set()
    with (
        subprocess.Popen(argv, env=env, stdout=subprocess.PIPE) as child,
        tarfile.open(fileobj=child.stdout, mode="r|") as archive,
    ):
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            data = file.read()
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            if data[:1] == b"{":
                value = json.loads(data)
                configs += [value] if "rootfs" in value else []
            elif data[257:262] == b"ustar":
                layers.append(data)
                with tarfile.open(fileobj=io.BytesIO(data)) as layer:
                    names |= {entry.name.removeprefix("./").rstrip("/") for entry in layer}
    assert child.returncode == 0
    assert len(configs) == 1
    assert len(layers) == len(configs[0]["rootfs"]["diff_ids"])
    return Saved(tag, configs[0], tuple(layers), frozenset(names))


@pytest.fixture(scope="module")
def images(cloud: Cloud) -> dict[str, str]:
    """Tags by node."""
    return {image["node"]: image["tag"] for image in cloud.saltern("build", "--json").json}


@pytest.fixture(scope="module")
def secrets(cloud: Cloud) -> frozenset[str]:
    project = open_project(cloud.model, Options(cache=CACHE / "saltern"))
    found = frozenset(secret for member in project.members for secret in member.secrets)
    assert {"example-keystone-admin", "EXAMPLEERLANGCOOKIE", "example-mysql-glance"} <= found
    return found


def shell(cloud: Cloud, tag: str, script: str) -> str:
    return cloud.call("run", "--rm", "--network", "none", "--user", "0:0", tag, "/bin/sh", "-c", script)


@pytest.mark.parametrize("service", SERVICES)
def test_only_the_service_is_in_its_image(
    cloud: Cloud, images: dict[str, str], secrets: frozenset[str], service: str
) -> None:
    image = save(cloud, images[service])
    assert sorted(name for name in image.names if SALT.search(name)) == []
    assert sorted(name for name in image.names if name.startswith(("mnt/", "media/", "opt/", "tmp/"))) == []
    whole = json.dumps(image.config).encode()
    found = {secret for secret in secrets for data in (whole, *image.layers) if secret.encode() in data}
    assert found == set()
    lists = {name for name in image.names if name.startswith("var/lib/apt/lists/")}
    assert lists <= {"var/lib/apt/lists/partial", "var/lib/apt/lists/lock", "var/lib/apt/lists/auxfiles"}
    assert not [name for name in image.names if re.match(r"var/cache/apt/(.*\.bin|archives/.*\.deb)$", name)]
    assert sorted(name for name in image.names if STARTED.search(name)) == []
    assert not [name for name in image.names if name in IDENTITIES]


@pytest.mark.parametrize("service", SERVICES)
def test_image_says_what_it_is(cloud: Cloud, images: dict[str, str], service: str) -> None:
    [raw] = json.loads(cloud.call("image", "inspect", images[service]))
    config = raw["Config"]
    assert config["User"]
    assert config["User"].partition(":")[0] not in ("0", "root")
    assert config["Cmd"]
    labels = config["Labels"]
    assert labels[LABEL_KEY].startswith(images[service].rpartition(":")[2])
    assert labels["org.opencontainers.image.title"] == f"{service} of {cloud.name}"
    assert labels["org.opencontainers.image.base.name"].startswith("localhost/saltern/base-debian-12:")
    assert labels["org.opencontainers.image.base.digest"].startswith("sha256:")


@pytest.mark.parametrize("service", SERVICES)
def test_bill_of_materials_is_what_dpkg_says(
    cloud: Cloud, images: dict[str, str], service: str, tmp_path: Path
) -> None:
    document = tmp_path / "sbom.spdx.json"
    document.write_text(shell(cloud, images[service], f"cat {SBOM_PATH}"))
    parsed = parse_file(str(document))
    assert validate_full_spdx_document(parsed) == []
    listing = shell(cloud, images[service], r"dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\n'")
    rows = [line.split() for line in listing.splitlines()]
    assert {(package.name, package.version) for package in parsed.packages} == {
        (name, version) for status, name, version in rows if status == "ii"
    }


@pytest.mark.parametrize("service", SERVICES)
def test_no_recommended_packages(cloud: Cloud, images: dict[str, str], service: str) -> None:
    said = shell(cloud, images[service], "apt-config dump APT::Install-Recommends")
    assert said.strip() == 'APT::Install-Recommends "false";'
