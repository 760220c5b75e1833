"""The whole model as a Compose file: compile, build, render configuration and jobs, and put them together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saltern.base.errors import ConfigError, ModelError, Problem, SalternError
from saltern.base.store import canonical, write_atomically
from saltern.formulas.metadata import Connection, Probe
from saltern.images.process import Process
from saltern.model.settings import Publish
from saltern.project.building import Imaged, build_compiled, read_processes, volumes_of
from saltern.project.cluster import units_of
from saltern.project.compiling import Compiled, compile_members
from saltern.project.configuring import Configured, configure
from saltern.project.context import Project
from saltern.project.jobs import jobs_of
from saltern.project.lending import borrowed_from, unlent
from saltern.project.replicas import misnamed, unshared
from saltern.project.revealing import Revealer
from saltern.project.secrets import held, hidden, uses
from saltern.project.workers import Bases
from saltern.rollout import delivery
from saltern.rollout.ledger import Ledger
from saltern.targets import compose
from saltern.targets.kubernetes.storage import claim_name, outdated_claims
from saltern.targets.kubernetes.units import Units, flat
from saltern.targets.workload import Cloud, Workload

COMPOSE_FILE = "compose.yaml"


@dataclass(frozen=True)
class Rendered:
    """A cloud, its Compose project, and the file where that is."""

    cloud: Cloud
    compose: dict[str, Any]
    file: Path
    configured: tuple[Configured, ...]
    revealer: Revealer
    units: Units | None = None
    """The objects of a cloud in a cluster; ``compose`` then only says which services there are."""
    whole: Cloud | None = None
    """The cloud with its replicas, where ``cloud`` is as the cluster's controllers are seen."""

    @property
    def compiled(self) -> tuple[Compiled, ...]:
        """The nodes, in the order of ``configured``."""
        return tuple(one.imaged.compiled for one in self.configured)

    def data_of(self, workload: Workload) -> dict[str, str]:
        """The volumes that hold a workload's data: name in the formula → name where it runs."""
        data = [volume for volume in workload.volumes if volume.kind == "data"]
        if self.units is not None:
            return {volume.name: claim_name(workload, volume) for volume in data}
        return {volume.name: compose.data_volume(self.cloud.name, workload, volume) for volume in data}

    def outdated(self, workload: Workload, present: Collection[str]) -> tuple[str, ...]:
        """Those of its ``present`` volumes that have to go when its data is put back, besides those that hold it."""
        return outdated_claims(workload, present) if self.units is not None else ()

    def write(self) -> None:
        """Write the Compose file, unless it says the same already, and what its containers mount besides trees."""
        if self.units is not None:
            return
        for kept in delivery.kept(self.cloud):
            delivery.offer(kept)
        text = compose.render(self.compose).encode()
        if not self.file.exists() or self.file.read_bytes() != text:
            write_atomically(self.file, text)


def render(project: Project) -> Rendered:
    """Render under the cloud's lock and write the Compose file; see :func:`render_locked`."""
    with project.locked():
        project.sweep()
        rendered = render_locked(project)
        rendered.write()
        there = {c.name for c in project.engine.containers(f"{compose.LABEL_CLOUD}={project.cloud}")}
        for live in delivery.lives(rendered.cloud):  # who starts it by hand gets what was rendered
            if compose.container_name(project.cloud, live.service) not in there:
                delivery.switch(live)
        return rendered


def render_locked(project: Project) -> Rendered:
    """Build what is missing and render all configuration. The caller holds the cloud's lock."""
    return _for_target(project, *render_cloud(project))


def renewed(project: Project, rendered: Rendered, generations: Mapping[str, int]) -> Rendered:
    """The same cloud with other generations of some workloads."""
    cloud = rendered.whole or rendered.cloud
    workloads = tuple(replace(w, generation=generations.get(w.name, w.generation)) for w in cloud.workloads)
    return _for_target(project, replace(cloud, workloads=workloads), rendered.configured, rendered.revealer)


def _for_target(project: Project, cloud: Cloud, configured: tuple[Configured, ...], revealer: Revealer) -> Rendered:
    if project.in_cluster:
        units = units_of(project, cloud, configured, revealer)
        data: dict[str, Any] = {"services": dict(units.services)}
        return Rendered(flat(cloud), data, project.state / COMPOSE_FILE, configured, revealer, units, cloud)
    data = compose.project(cloud, project.engine.name)
    if problems := [*shown_secrets(project, data, revealer)]:
        raise ConfigError(problems)
    return Rendered(cloud, data, project.state / COMPOSE_FILE, configured, revealer)


def render_cloud(project: Project) -> tuple[Cloud, tuple[Configured, ...], Revealer]:
    """What all targets begin with: images, configuration and jobs of all nodes. The caller holds the cloud's lock."""
    revealer = Revealer(project)
    with hidden(revealer.values), Bases(project) as bases:
        compiled = compile_members(project, bases=bases)
        needs = needs_of(compiled)
        _refuse(p for one in compiled for p in unshared(one, one.metadata.volumes, project.targets))
        _refuse(unlent(compiled))
        _refuse(p for one in compiled for p in misnamed(one, project.targets))
        imaged = build_compiled(project, bases, compiled)
        configured = _configure_all(project, bases, imaged, revealer)
        generations = ledger_of(project).generations
        workloads = tuple(_workload(project, bases, one, revealer, needs, generations) for one in configured)
        both = zip(compiled, workloads, strict=True)
        _refuse(p for one, w in both for p in unshared(one, w.volumes, project.targets))
    return Cloud(project.cloud, workloads), tuple(configured), revealer


def ledger_of(project: Project) -> Ledger:
    """What rollouts did to the cloud's data."""
    return Ledger(project.state / "upgrades.json")


def _refuse(problems: Iterable[Problem]) -> None:
    if found := tuple(problems):
        raise ModelError(found)


def shown_secrets(project: Project, data: dict[str, Any], revealer: Revealer) -> Iterator[Problem]:
    """Secrets that got into the Compose file by way of a unit, say a drop-in's ``Environment=``."""
    for service, content in data["services"].items():
        shown = held(canonical(content).replace("$$", "$"), revealer.values)
        for reference in shown:
            yield Problem(
                f"the Compose file would show the secret {reference} in the service {service}",
                tuple(sorted({p for use in uses(project) if use.reference == reference for p in use.places})),
                details="its unit, or a drop-in of it that a state writes, has the value",
                resolution="have it in a file that the unit names with EnvironmentFile=, or in the service's own",
            )


def _configure_all(project: Project, bases: Bases, imaged: Sequence[Imaged], revealer: Revealer) -> list[Configured]:
    done: list[Configured] = []
    problems: list[Problem] = []
    for one in imaged:
        try:
            done.append(configure(project, bases, one, revealer))
        except SalternError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return done


def _workload(
    project: Project,
    bases: Bases,
    configured: Configured,
    revealer: Revealer,
    needs: Mapping[str, tuple[str, ...]],
    generations: Mapping[str, int],
) -> Workload:
    one = configured.imaged.compiled
    processes = read_processes(one, configured.units, configured.accounts)
    return Workload(
        name=one.member.name,
        node=one.member.node.name,
        image=configured.imaged.image.tag,
        processes=_probed(processes, one.member.settings.publish),
        jobs=jobs_of(project, bases, configured, revealer),
        volumes=volumes_of(one, processes),
        config=configured.mounts,
        needs=needs[one.member.name],
        publish=one.member.settings.publish,
        checks=one.metadata.checks,
        memory=one.member.settings.memory,
        replicas=one.member.settings.replicas,
        generation=generations.get(one.member.name, 1),
        live="" if project.in_cluster else str(project.state / "live"),
        balancer=one.metadata.balancer,
        connects=one.metadata.connects,
        reaches=one.metadata.reaches,
        kubernetes=one.member.settings.kubernetes,
    )


def _probed(processes: tuple[Process, ...], publish: Sequence[Publish]) -> tuple[Process, ...]:
    """A formula that knows nothing of containers says of no port; what the model publishes has to answer."""
    if len(processes) != 1 or processes[0].probe is not None or processes[0].ports or not publish:
        return processes
    return (replace(processes[0], probe=Probe("tcp", port=publish[0].port)),)


def needs_of(compiled: Iterable[Compiled]) -> dict[str, tuple[str, ...]]:
    """Which workloads each one talks to, from the hosts that its formulas name; other hosts are outside of the cloud.

    Who connects to a balancer needs what is behind that port as well; the balancer itself comes up without them.
    Raises ModelError for workloads that need each other: neither could be bootstrapped first.
    """
    nodes = list(compiled)
    hosts = {name: one for one in nodes for name in _hosts(one)}
    needs = {
        one.member.name: tuple(
            sorted(
                {
                    hosts[host].member.name
                    for connection in (*one.metadata.connects, *borrowed_from(one))
                    for host in _behind(connection, hosts)
                    if host in hosts
                }
                - {one.member.name}
            )
        )
        for one in nodes
    }
    left = dict(needs)
    while left:
        free = [name for name, wanted in left.items() if not any(w in left for w in wanted)]
        if not free:
            raise ModelError(_loop(left))
        for name in free:
            del left[name]
    return needs


def _hosts(one: Compiled) -> Iterator[str]:
    member = one.member
    yield from (member.name, member.node.name)
    if member.settings.replicas > 1:
        yield from (f"{member.name}-{number}" for number in range(1, member.settings.replicas + 1))


def _behind(connection: Connection, hosts: Mapping[str, Compiled]) -> Iterator[str]:
    yield connection.host
    one = hosts.get(connection.host)
    if one is not None and one.metadata.balancer is not None:
        yield from one.metadata.balancer.listens.get(connection.port, ())


def _loop(left: dict[str, tuple[str, ...]]) -> Problem:
    name = min(left)
    path: list[str] = []
    while name not in path:
        path.append(name)
        name = next(w for w in left[name] if w in left)
    loop = [*path[path.index(name) :], name]
    return Problem(
        f"these nodes need each other, so none can be brought up first: {' → '.join(loop)}",
        details="a node needs another one when its formulas' meta/container.yml has that host under `connects`",
        resolution="have one of the formulas say `reaches` where its service starts without the other one",
    )
