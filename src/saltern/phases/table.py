"""Which phase a state function belongs to by default: data, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """When and where a chunk is applied."""

    BUILD = "build"
    CONFIG = "config"
    BOOTSTRAP = "bootstrap"
    PROCESS = "process"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: chunks whose function matches ``pattern`` belong to ``phase`` because of ``reason``.

    ``pinned`` chunks cannot be moved by requisites: a service runs, and a database user is made, nowhere else.
    """

    pattern: str
    phase: Phase
    reason: str
    pinned: bool = False


RULES = (
    Rule("service.*", Phase.PROCESS, "a service is what the container runs", pinned=True),
    Rule("supervisord.*", Phase.PROCESS, "a service is what the container runs", pinned=True),
    Rule("sysctl.*", Phase.HOST, "kernel settings belong to the host", pinned=True),
    Rule("kmod.*", Phase.HOST, "kernel modules belong to the host", pinned=True),
    Rule("mount.*", Phase.HOST, "mounts belong to the host", pinned=True),
    Rule("network.*", Phase.HOST, "network devices belong to the host", pinned=True),
    Rule("lvm.*", Phase.HOST, "block devices belong to the host", pinned=True),
    Rule("blockdev.*", Phase.HOST, "block devices belong to the host", pinned=True),
    Rule("iptables.*", Phase.HOST, "packet filters belong to the host", pinned=True),
    Rule("firewalld.*", Phase.HOST, "packet filters belong to the host", pinned=True),
    Rule("nftables.*", Phase.HOST, "packet filters belong to the host", pinned=True),
    Rule("selinux.*", Phase.HOST, "the security module belongs to the host", pinned=True),
    Rule("apparmor.*", Phase.HOST, "the security module belongs to the host", pinned=True),
    Rule("grub*.*", Phase.HOST, "the boot loader belongs to the host", pinned=True),
    Rule("host.*", Phase.HOST, "host names come from the cloud's network", pinned=True),
    Rule("hosts.*", Phase.HOST, "host names come from the cloud's network", pinned=True),
    Rule("timezone.*", Phase.HOST, "the clock belongs to the host", pinned=True),
    Rule("locale.*", Phase.BUILD, "locales are made where packages are installed"),
    Rule("pkg.*", Phase.BUILD, "packages go into the image", pinned=True),
    Rule("pkgrepo.*", Phase.BUILD, "repositories are needed where packages are installed", pinned=True),
    Rule("pip.*", Phase.BUILD, "packages go into the image", pinned=True),
    Rule("virtualenv.*", Phase.BUILD, "packages go into the image", pinned=True),
    Rule("npm.*", Phase.BUILD, "packages go into the image", pinned=True),
    Rule("gem.*", Phase.BUILD, "packages go into the image", pinned=True),
    Rule("debconf.*", Phase.BUILD, "package settings are needed where packages are installed"),
    Rule("alternatives.*", Phase.BUILD, "alternatives select installed packages"),
    Rule("user.*", Phase.BUILD, "users own files of the image"),
    Rule("group.*", Phase.BUILD, "groups own files of the image"),
    Rule("git.*", Phase.BUILD, "sources go into the image"),
    Rule("hg.*", Phase.BUILD, "sources go into the image"),
    Rule("svn.*", Phase.BUILD, "sources go into the image"),
    Rule("archive.*", Phase.BUILD, "sources go into the image"),
    Rule("file.directory", Phase.BUILD, "directories go into the image"),
    Rule("file.absent", Phase.BUILD, "what a package ships too much is removed from the image"),
    Rule("file.patch", Phase.BUILD, "patches change what packages installed"),
    Rule("file.*", Phase.CONFIG, "files are rendered per revision, so no value of the model is in the image"),
    Rule("ini.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("augeas.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("environ.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("ssh_auth.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("ssh_known_hosts.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("cron.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("htpasswd.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("x509.*", Phase.CONFIG, "keys and certificates are rendered per revision"),
    Rule("apache_*.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("openstack_config.*", Phase.CONFIG, "settings are rendered per revision"),
    Rule("rabbitmq_plugin.*", Phase.CONFIG, "the list of plugins is a file that the service reads when it starts"),
    Rule("*_policy.rule_*", Phase.CONFIG, "rules of a policy file are settings, rendered per revision"),
    Rule("test.*", Phase.CONFIG, "does nothing; shown with the configuration"),
    Rule("stateconf.*", Phase.CONFIG, "does nothing; shown with the configuration"),
    Rule("cmd.*", Phase.BOOTSTRAP, "a command may act on a live service"),
    Rule("module.*", Phase.BOOTSTRAP, "a module call may act on a live service"),
    *(
        Rule(pattern, Phase.BOOTSTRAP, "acts on a live service", pinned=True)
        for pattern in (
            *("mysql_*.*", "postgres_*.*", "rabbitmq_*.*", "mongodb_*.*", "redis.*", "influxdb_*.*"),
            *("elasticsearch*.*",),
            *("keystone*.*", "glance*.*", "nova*.*", "neutron*.*", "cinder*.*", "heat*.*", "grafana*.*", "zabbix*.*"),
        )
    ),
    Rule("http.*", Phase.BOOTSTRAP, "acts on a live service", pinned=True),
    Rule("*", Phase.BOOTSTRAP, "a state module that is not known to be about files or packages acts on a live service",
         pinned=True),
)  # fmt: skip
"""First match wins."""

INIT_COMMANDS = ("systemctl", "service", "invoke-rc.d", "initctl", "update-rc.d")
"""Programs that talk to an init system; a ``cmd.*`` that starts with one belongs to ``process``."""

INIT_MODULES = ("service.", "systemd.", "systemd_service.")

COMMANDS = {
    Phase.BUILD: ("apt-get", "apt", "apt-key", "dpkg", "dpkg-reconfigure", "pip", "pip3", "locale-gen", "ldconfig"),
    Phase.CONFIG: (
        *("a2enmod", "a2dismod", "a2ensite", "a2dissite", "a2enconf", "a2disconf", "phpenmod", "phpdismod"),
        *("update-ca-certificates", "newaliases", "postmap", "openssl", "htpasswd"),
        *("chown", "chmod", "mkdir", "ln", "cp", "mv", "rm", "touch", "sed", "crudini"),
    ),
}
"""Programs of ``cmd.*`` that act on files alone, by phase; a requisite can still move such a chunk."""

FILES = (
    *("file.*", "ini.*", "augeas.*", "environ.*", "ssh_auth.*", "ssh_known_hosts.*", "cron.*", "htpasswd.*", "x509.*"),
    *("apache_*.*", "openstack_config.*", "rabbitmq_plugin.*", "*_policy.rule_*", "test.*", "stateconf.*"),
)
"""State functions that write files alone: what a job of theirs would write is gone with the job's container."""

RUNNING = ("service.running", "supervisord.running")
"""State functions that keep something running."""

ORDER = {Phase.HOST: 0, Phase.BUILD: 1, Phase.CONFIG: 2, Phase.BOOTSTRAP: 3, Phase.PROCESS: 4}
"""Which phase is over when another starts (see also ``Assignment.after``)."""
