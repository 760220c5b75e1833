"""A model of many nodes in twenty roles, with the formulas that it brings. The same arguments give the same bytes.

Each site has one node of each role. Six roles apply the bundled formulas, fourteen apply small ones that are generated:
a package, a user, three files and a service, one of the files with values of the node in its state. Every node has a
host name, addresses and a rack of its own, its site's hosts, and what all nodes share: 300 to 400 leaves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

BUNDLED = ("mariadb", "rabbitmq", "memcached", "keystone", "glance", "haproxy")
SMALL = ("nova", "neutron", "cinder", "heat", "barbican", "designate", "octavia", "manila", "ironic", "placement")
EXTRA = ("gnocchi", "aodh", "ceilometer", "panko")
ROLES = (*BUNDLED, *SMALL, *EXTRA)
CLASSES = {
    "mariadb": ["service.mariadb.server.single", "system.database"],
    "rabbitmq": ["service.rabbitmq.server.single", "system.vhost"],
    "memcached": ["service.memcached.server.single"],
    "keystone": ["service.keystone.server.single", "service.keystone.client.single", "system.identity"],
    "glance": ["service.glance.server.single"],
    "haproxy": [
        "service.haproxy.proxy.single",
        "service.haproxy.proxy.listen.keystone",
        "service.haproxy.proxy.listen.glance",
    ],
    **{name: [f"service.{name}.server.single"] for name in (*SMALL, *EXTRA)},
}
PASSWORDS = (
    *("mysql_keystone_password", "mysql_glance_password", "rabbitmq_openstack_password", "rabbitmq_secret_key"),
    *("keystone_admin_password", "keystone_glance_password"),
)

SLS = """\
{%- from "NAME/map.jinja" import server with context %}
{%- if server.get('enabled', False) %}
NAME_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}

NAME_user:
  user.present:
  - name: NAME
  - system: True
  - home: /var/lib/NAME
  - require_in:
    - pkg: NAME_packages

/etc/NAME/NAME.conf:
  file.managed:
  - source: salt://NAME/files/NAME.conf
  - template: jinja
  - user: root
  - group: NAME
  - mode: '0640'
  - makedirs: True
  - require:
    - pkg: NAME_packages

/etc/NAME/listen.conf:
  file.managed:
  - contents: |
      listen = {{ server.bind.address }}:{{ server.bind.port }}
      host = {{ grains.host }}
  - require:
    - pkg: NAME_packages

/etc/default/NAME:
  file.managed:
  - contents: "WORKERS={{ server.workers }}"

NAME_service:
  service.running:
  - name: NAME
  - enable: True
  - watch:
    - file: /etc/NAME/NAME.conf
    - file: /etc/NAME/listen.conf
    - file: /etc/default/NAME
{%- endif %}
"""
MAP = """\
{%- set server = salt['grains.filter_by']({
    'Debian': {'pkgs': ['NAME-api', 'NAME-common'], 'workers': 2, 'bind': {'address': '0.0.0.0', 'port': 8000}},
}, merge=salt['pillar.get']('NAME:server', {})) -%}
"""
CONF = """\
{%- from "NAME/map.jinja" import server with context -%}
[DEFAULT]
debug = {{ server.get('debug', False) }}
workers = {{ server.workers }}
transport_url = rabbit://openstack:{{ server.message_queue.password }}@{{ server.message_queue.host }}:5672//openstack
{%- for name, part in server.get('parts', {}) | dictsort %}

[{{ name }}]
{%- for key, value in part | dictsort %}
{{ key }} = {{ value }}
{%- endfor %}
{%- endfor %}
"""
CONTAINER = """\
{%- from "NAME/map.jinja" import server with context %}
processes:
  NAME:
    command: [/usr/bin/NAME-api, --config-file, /etc/NAME/NAME.conf]
    user: '998'
    ports: [{{ server.bind.port }}]
    probe: {tcp: {port: {{ server.bind.port }}}, timeout: 30}
connects:
- {host: {{ server.message_queue.host | json }}, port: 5672}
"""


def write(root: Path, nodes: int, bundled: Path) -> None:
    """Write a model of so many nodes (a multiple of the roles); ``bundled`` are the formulas that come with Saltern."""
    own = [{"name": name, "path": f"formulas/{name}"} for name in (*SMALL, *EXTRA)]
    given = [{"name": name, "path": str(bundled / name)} for name in BUNDLED]
    _text(root / "saltern.yml", yaml.safe_dump({"cloud": "large", "formulas": own + given}))
    for number, name in enumerate((*SMALL, *EXTRA)):
        _formula(root / "formulas" / name, name, 8100 + number)
    _shared(root)
    for role in ROLES:
        _yaml(root, f"classes/role/{role}", {"classes": [*CLASSES[role], "cluster"]})
    for index in range(nodes):
        _node(root, index)
    for site in range(-(-nodes // len(ROLES))):
        _site(root, site)


def _formula(root: Path, name: str, port: int) -> None:
    files = {
        "metadata.yml": f"name: {name}\nversion: '1'\n",
        f"{name}/init.sls": f"include:\n- {name}.server\n",
        f"{name}/server.sls": SLS,
        f"{name}/map.jinja": MAP,
        f"{name}/files/{name}.conf": CONF,
        f"{name}/meta/container.yml": CONTAINER,
    }
    for path, text in files.items():
        _text(root / path, text.replace("NAME", name))
    server = {
        "enabled": True,
        "workers": f"${{_param:{name}_workers}}",
        "bind": {"address": "${_param:single_address}", "port": port},
        "message_queue": {"host": "${_param:message_queue_host}", "password": "${_param:rabbitmq_openstack_password}"},
        "parts": {
            f"part{n}": {f"option{m}": f"${{_param:common_{(n + m) % 20}}}" for m in range(8)}
            | {"host": "${_param:hostname}"}
            for n in range(6)
        },
    }
    content = {"applications": [name], "parameters": {"_param": {f"{name}_workers": 4}, name: {"server": server}}}
    _yaml(root, "metadata/service/server/single", content)


def _shared(root: Path) -> None:
    param: dict[str, Any] = {name: f"secret-of-{name}".replace("_", "-") for name in PASSWORDS}
    param |= {f"common_{n}": f"value {n} of all" for n in range(20)}
    param |= {"openstack_version": "zed", "openstack_region": "RegionOne"}
    param |= {"keystone_public_url": "http://cloud.local:5000", "glance_public_url": "http://cloud.local:9292"}
    linux = {
        "network": {
            "interface": {
                "br-mgmt": {"address": "${_param:single_address}", "netmask": "255.255.255.0", "mtu": 9000},
                "ens2": {"address": "${_param:deploy_address}", "proto": "static"},
            },
            "dns": ["10.0.0.2", "10.0.0.3"],
            "gateway": "${_param:gateway}",
        },
        "system": {
            "name": "${_param:hostname}",
            "rack": "${_param:rack}",
            "kernel": {"sysctl": {f"net.ipv4.option{n}": n for n in range(60)}},
            "user": {f"admin{n}": {"enabled": True, "home": f"/home/admin{n}", "shell": "bash"} for n in range(20)},
            "repo": {f"repo{n}": {"source": f"deb http://mirror/{n} main", "pin": 900 + n} for n in range(20)},
        },
    }
    saltern = {"base": "debian-12"}
    _yaml(root, "classes/cluster", {"parameters": {"_param": param, "linux": linux, "saltern": saltern}})
    database = {name: {"users": [_user(name)]} for name in ("keystone", "glance")}
    _yaml(root, "classes/system/database", {"parameters": {"mariadb": {"server": {"database": database}}}})
    vhost = {"enabled": True, "user": "openstack", "password": "${_param:rabbitmq_openstack_password}"}
    _yaml(root, "classes/system/vhost", {"parameters": {"rabbitmq": {"server": {"host": {"/openstack": vhost}}}}})
    identity = {"roles": ["admin", "member"], "project": {"service": {"description": "service users"}}}
    client = {"client": {"server": {"identity": identity}}}
    _yaml(root, "classes/system/identity", {"parameters": {"keystone": client}})


def _user(name: str) -> dict[str, str]:
    return {"name": name, "password": f"${{_param:mysql_{name}_password}}", "host": "%", "rights": "all privileges"}


def _site(root: Path, site: int) -> None:
    hosts = {"database": "mariadb", "message_queue": "rabbitmq", "cache": "memcached"}
    param = {f"{what}_host": f"{role}-{site:03}" for what, role in hosts.items()}
    param |= {f"{name}_host": f"haproxy-{site:03}" for name in ("keystone", "glance")}
    param |= {f"{name}_backend": f"{name}-{site:03}" for name in ("keystone", "glance")}
    param |= {"keystone_replicas": 1, "glance_replicas": 1}
    param |= {"gateway": f"10.1.{site}.1", "rack": f"r{site:03}", "site": site}
    _yaml(root, f"classes/site/s{site:03}", {"parameters": {"_param": param}})


def _node(root: Path, index: int) -> None:
    site, number = divmod(index, len(ROLES))
    role = ROLES[number]
    hostname = f"{role}-{site:03}"
    own = {
        "hostname": hostname,
        "single_address": f"10.1.{site}.{number + 2}",
        "deploy_address": f"10.2.{site}.{number + 2}",
    }
    content = {"classes": [f"role.{role}", f"site.s{site:03}"], "parameters": {"_param": own}}
    _yaml(root, f"nodes/{hostname}.large.local", content)


def _yaml(root: Path, name: str, content: dict[str, Any]) -> None:
    _text(root / f"{name}.yml", yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
