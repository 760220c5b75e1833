"""A year of a small cloud's model: what its people do to values, packages, formulas, releases, names and secrets.

Beside each commit stands, by hand, which images have to be built and why, and which workloads' rendered files change.
"""

from __future__ import annotations

from .history import (
    Commit,
    all_of,
    append,
    everywhere,
    move,
    prepend,
    reformatted,
    remove,
    replace,
    revert,
    unlocked,
    upgraded,
    write,
)

CLUSTER, SYSTEM = "classes/cluster/single", "classes/system"
PASSWORDS = f"{CLUSTER}/passwords.yml"
PKGS = "['keystone', 'python3-memcache', 'python3-openstackclient']"

PIN = """\
{#- Only the security suite may change memcached. -#}
Package: memcached
Pin: release a=oldstable-security
Pin-Priority: 900
"""
PIN_STATE = """
memcached_pin:
  file.managed:
  - name: /etc/apt/preferences.d/memcached
  - source: salt://memcached/files/pin
  - template: jinja
  - mode: '0644'

memcached_packages:
  pkg.installed:
  - require:
    - file: memcached_pin
"""
POLICY_STATE = """
glance_policy_directory:
  file.directory:
  - name: /etc/glance/policy.d
  - user: root
  - group: {{ server.user }}
  - mode: '0750'

glance_config:
"""
NEW_NODE = """\
classes:
- system.keystone.server.single
- cluster.single
parameters:
  saltern: {base: debian-12}
"""
OPENRC = {
    "formulas/openrc/metadata.yml": "name: openrc\nversion: '1.0'\n",
    "formulas/openrc/openrc/init.sls": """\
openrc_packages:
  pkg.installed:
  - names: [python3-openstackclient, jq]
openrc_file:
  file.managed:
  - name: /etc/openrc
  - contents: export OS_AUTH_URL={{ pillar.openrc.url }}
  - require:
    - pkg: openrc_packages
openrc_service:
  service.running:
  - name: openrc
""",
    "formulas/openrc/openrc/meta/container.yml": "processes: {openrc: {command: [/bin/sleep, infinity]}}\n",
    "nodes/tools.yml": """\
applications: [openrc]
classes: [cluster.single]
parameters:
  openrc: {url: '${_param:keystone_public_url}'}
  saltern: {base: debian-12}
""",
}
PACKAGE_SLS = """\
{%- from "rabbitmq/map.jinja" import server with context %}
rabbitmq_packages:
  pkg.installed:
  - names: {{ server.pkgs | json }}
  - install_recommends: False
"""
READER = """\
parameters:
  keystone:
    client:
      server:
        identity:
          project:
            service:
              user:
                reader: {password: '${_param:keystone_glance_password}'}
"""

COMMITS = (
    Commit(
        "MariaDB gets a larger buffer pool",
        "value",
        replace(f"{SYSTEM}/mariadb/server/single.yml", "128M", "512M"),
        config=("mariadb",),
    ),
    Commit("README: who to call", "documentation", append("README.md", "\nCall the cloud team on 4711.\n")),
    Commit(
        "Three Keystone workers",
        "value",
        append(f"{CLUSTER}/keystone.yml", "parameters:\n  keystone:\n    server:\n      workers: 3\n"),
        config=("keystone",),
    ),
    Commit(
        "Comments in the SLS of Keystone",
        "formula, comments",
        all_of(
            prepend("formulas/keystone/keystone/server.sls", "{#- Installs and runs Keystone. -#}\n"),
            replace(
                "formulas/keystone/keystone/server.sls", "keystone_config:\n", "\n# the main file\nkeystone_config:\n"
            ),
        ),
    ),
    Commit(
        "A Jinja comment in keystone.conf",
        "formula, comments",
        replace("formulas/keystone/keystone/files/keystone.conf", "\n[identity]", "\n[identity]{# for bcrypt #}"),
    ),
    Commit("YAML of the cluster sorted by an editor", "format", reformatted(f"{CLUSTER}/init.yml", sort=True)),
    Commit("Node files in other quotes", "format", reformatted("nodes/keystone.yml")),
    Commit(
        "Keystone's database password rotated",
        "secret",
        replace(PASSWORDS, "example-mysql-keystone", "example-rotated-1"),
        config=("keystone",),
    ),
    Commit(
        "Glance's service password rotated",
        "secret",
        replace(PASSWORDS, "example-keystone-glance", "example-rotated-2"),
        config=("glance",),
    ),
    Commit("The admin's password rotated", "secret", replace(PASSWORDS, "example-keystone-admin", "example-rotated-3")),
    Commit(
        "Try LDAP: its packages in Keystone",
        "package",
        append(
            f"{CLUSTER}/keystone.yml",
            "      pkgs: [keystone, python3-memcache, python3-openstackclient, python3-ldap]\n",
        ),
        images={"keystone": "gets python3-ldap"},
    ),
    Commit("Revert LDAP", "revert", revert),
    Commit(
        "The same packages said in the model",
        "value",
        append(f"{CLUSTER}/keystone.yml", "      pkgs: [keystone, python3-memcache, python3-openstackclient]\n"),
    ),
    Commit(
        "Glance may take longer to start",
        "metadata",
        replace("formulas/glance/glance/meta/container.yml", "timeout: 90", "timeout: 180"),
    ),
    Commit(
        "Glance's check waits longer",
        "metadata",
        replace("formulas/glance/glance/meta/verify.yml", "timeout: 120", "timeout: 200"),
    ),
    Commit("A new version of a formula, in name", "metadata", append("formulas/glance/metadata.yml", "# 1.1 soon\n")),
    Commit(
        "A description in a schema",
        "metadata",
        replace("formulas/memcached/schemas/server.yml", "title:", "description: For memcached\ntitle:"),
    ),
    Commit(
        "A larger cache",
        "value",
        append(f"{CLUSTER}/memcached.yml", "parameters:\n  memcached:\n    server: {cache_size: 128}\n"),
        config=("memcached",),
    ),
    Commit(
        "The class of passwords is called secrets",
        "name of a class",
        all_of(move(PASSWORDS, f"{CLUSTER}/secrets.yml"), everywhere("passwords", "secrets", "classes")),
    ),
    Commit(
        "Classes of databases move",
        "name of a class",
        all_of(
            move(f"{SYSTEM}/mariadb/server/database", f"{SYSTEM}/mariadb/database"),
            everywhere("system.mariadb.server.database.", "system.mariadb.database.", "classes"),
        ),
    ),
    Commit(
        "Keystone logs less",
        "formula, configuration",
        replace(
            "formulas/keystone/keystone/files/keystone.conf",
            "use_stderr = true",
            "use_stderr = true\nlog_options = false",
        ),
        config=("keystone",),
    ),
    Commit(
        "CVE: libssl3",
        "security patch",
        upgraded("libssl3", "3.0.17-1~deb12u2"),
        images=dict.fromkeys(("glance", "keystone", "mariadb", "rabbitmq"), "has libssl3; memcached has not"),
    ),
    Commit(
        "CVE: rabbitmq-server",
        "security patch",
        upgraded("rabbitmq-server", "3.10.8-1.1+deb12u2"),
        images={"rabbitmq": "has rabbitmq-server"},
    ),
    Commit(
        "Glance on another port of this machine",
        "value",
        replace("nodes/glance.yml", "127.0.0.1:9292", "127.0.0.1:9293"),
    ),
    Commit("MariaDB gets 2 GiB", "value", append("nodes/mariadb.yml", "    memory: 2g\n")),
    Commit(
        "A second Keystone, without the client's states",
        "new node",
        write("nodes/keystone02.yml", NEW_NODE),
        config=("keystone02",),
    ),
    Commit(
        "Glance has a directory for policies",
        "formula, configuration",
        all_of(
            write("formulas/glance/glance/files/policy.yaml", "default: role:admin\n"),
            replace(
                "formulas/glance/glance/server.sls",
                "\nglance_config:\n",
                POLICY_STATE.replace("file.directory", "file.managed")
                .replace(
                    "- name: /etc/glance/policy.d",
                    "- name: /etc/glance/policy.yaml\n  - source: salt://glance/files/policy.yaml",
                )
                .replace("'0750'", "'0640'"),
            ),
        ),
        config=("glance",),
    ),
    Commit(
        "Better names for MariaDB's states",
        "formula, refactored",
        everywhere("mariadb_packages", "mariadb_server_packages", "formulas/mariadb"),
    ),
    Commit(
        "RabbitMQ's packages in an SLS of their own",
        "formula, refactored",
        all_of(
            write("formulas/rabbitmq/rabbitmq/package.sls", PACKAGE_SLS),
            replace(
                "formulas/rabbitmq/rabbitmq/server.sls",
                PACKAGE_SLS.partition("\n")[2],
                "include:\n- rabbitmq.package\n",
            ),
        ),
    ),
    Commit(
        "MariaDB images can back up",
        "package",
        replace("formulas/mariadb/mariadb/map.jinja", "'mariadb-client']", "'mariadb-client', 'mariadb-backup']"),
        images={"mariadb": "gets mariadb-backup"},
    ),
    Commit(
        "memcached only from the security suite",
        "formula, file of the build",
        all_of(
            write("formulas/memcached/memcached/files/pin", PIN),
            replace("formulas/memcached/memcached/server.sls", "\nmemcached_packages:\n  pkg.installed:\n", PIN_STATE),
        ),
        images={"memcached": "a file that must be there before its package is"},
    ),
    Commit(
        "The pin is stronger",
        "formula, file of the build",
        replace("formulas/memcached/memcached/files/pin", "900", "990"),
        images={"memcached": "that file is in it"},
    ),
    Commit(
        "The pin explained",
        "formula, comments",
        replace("formulas/memcached/memcached/files/pin", "Only the", "So that nothing else moves it: only the"),
    ),
    Commit(
        "More connections to RabbitMQ",
        "formula, configuration",
        append("formulas/rabbitmq/rabbitmq/files/rabbitmq.conf", "num_acceptors.tcp = 20\n"),
        config=("rabbitmq",),
    ),
    Commit(
        "RabbitMQ's management plugin",
        "value",
        append(
            f"{CLUSTER}/rabbitmq.yml", "parameters:\n  rabbitmq:\n    server:\n      plugins: [rabbitmq_management]\n"
        ),
        config=("rabbitmq",),
    ),
    Commit(
        "Tokens live for two hours",
        "formula, classes",
        replace("formulas/keystone/metadata/service/server/single.yml", "expiration: 3600", "expiration: 7200"),
        config=("keystone", "keystone02"),
    ),
    Commit(
        "A configuration template becomes executable by mistake",
        "formula, configuration",
        lambda tree: (tree.root / "formulas/glance/glance/files/glance-api.conf").chmod(0o755),
    ),
    Commit(
        "Release: the second Keystone goes first to Debian 13",
        "release",
        replace("nodes/keystone02.yml", "debian-12", "debian-13"),
        images={"keystone--keystone02": "Keystone of 2025.1; the other one's image stays what it is"},
    ),
    Commit(
        "Release: the first Keystone follows",
        "release",
        replace("nodes/keystone.yml", "debian-12", "debian-13"),
    ),
    Commit(
        "Release: Glance on Debian 13",
        "release",
        replace("nodes/glance.yml", "debian-12", "debian-13"),
        images={"glance": "Glance of 2025.1"},
    ),
    Commit(
        "The release's name in the pillar",
        "release",
        replace(f"{CLUSTER}/init.yml", "openstack_version: zed", "openstack_version: epoxy"),
    ),
    Commit(
        "The second Keystone is called identity02",
        "name of a node",
        move("nodes/keystone02.yml", "nodes/identity02.yml"),
        config=("identity02",),
    ),
    Commit("The second Keystone is not needed", "node removed", remove("nodes/identity02.yml")),
    Commit(
        "A node with tools for people",
        "new node, new formula",
        all_of(
            *(write(path, text) for path, text in OPENRC.items()),
            replace("saltern.yml", "formulas:\n", "formulas:\n- {name: openrc, path: formulas/openrc}\n"),
        ),
        images={"openrc": "is new"},
        config=("tools",),
    ),
    Commit(
        "A formula for later",
        "new formula, unused",
        write("formulas/chrony/chrony/init.sls", "chrony:\n  pkg.installed: []\n"),
    ),
    Commit(
        "Glance keeps its images elsewhere",
        "value",
        append(
            f"{CLUSTER}/glance.yml", "parameters:\n  glance:\n    server:\n      storage: {location: /srv/images}\n"
        ),
        images={"glance": "the directory, which a volume is mounted on, is in it with its owner"},
        config=("glance",),
    ),
    Commit(
        "memcached's image has a name of its own",
        "name of an image",
        append("nodes/memcached.yml", "    image: cache\n"),
    ),
    Commit(
        "The newest memcached of the mirror",
        "package",
        unlocked("cache"),
        images={"cache": "what the mirror has now is only known when it is built"},
    ),
    Commit(
        "Recommended packages for the tools",
        "package",
        replace("formulas/openrc/openrc/init.sls", "jq]\n", "jq]\n  - install_recommends: True\n"),
        images={"openrc": "gets other packages"},
    ),
    Commit("The package lock sorted by a tool", "format", reformatted("packages.lock", sort=True)),
    Commit(
        "The rack of MariaDB as a grain",
        "value",
        append("nodes/mariadb.yml", "    grains: {rack: r12}\n"),
    ),
    Commit(
        "A registry",
        "value",
        append("saltern.yml", "registry: registry.example:5000\n"),
    ),
    Commit(
        "One more user of the service project",
        "value",
        all_of(
            write(f"{SYSTEM}/keystone/client/service/reader.yml", READER),
            replace(
                f"{CLUSTER}/keystone.yml",
                "client.service.glance\n",
                "client.service.glance\n- system.keystone.client.service.reader\n",
            ),
        ),
    ),
)
