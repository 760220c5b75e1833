"""examples/kubernetes-ha: MariaDB and RabbitMQ as clusters of three, whose pods are killed while somebody writes.

What was acknowledged to the writer has to be there afterwards. One cloud for the whole file; each test leaves it whole.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from saltern.base.process import LocalRunner
from saltern.images.engine.select import select_engine

from ..e2e.driver import CACHE, ROOT, substitute
from .client import eventually
from .clouds import ClusterCloud, full
from .conftest import AnyCluster

pytestmark = full

MEMBERS = (0, 1, 2)
SECONDS = 30.0
"""For which the death of one pod may keep a writer waiting at most."""
BACK = 300.0
"""Seconds until a cluster is whole again."""

TABLE = "create table if not exists kept (n bigint primary key)"
INSERT = """
n=$(($(date +%s) * 1000))
while :; do
  n=$((n + 1))
  if timeout 5 mariadb --no-defaults --connect-timeout=2 --host=mariadb --user=keystone keystone \
    --execute="insert into kept values ($n)" 2>/dev/null; then echo "$n"; else sleep 0.1; fi
done
"""
ERL = (
    'exec erl -noinput -kernel logger_level none -pa /usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/*/ebin -eval "$0"'
)
CONNECT = """
  {ok, _} = application:ensure_all_started(amqp_client),
  {ok, Params} = amqp_uri:parse("amqp://openstack:example-rabbitmq-openstack@rabbitmq:5672/%2Fopenstack?heartbeat=4"),
  Open = fun() ->
    {ok, Connection} = amqp_connection:start(Params),
    {ok, Channel} = amqp_connection:open_channel(Connection),
    Kind = [{<<"x-queue-type">>, longstr, <<"quorum">>}],
    {_, _, _, _} = amqp_channel:call(Channel, {'queue.declare', 0, <<"kept">>, false, true, false, false, false, Kind}),
    {_} = amqp_channel:call(Channel, {'confirm.select', false}),
    Channel
  end,
"""
PUBLISH = f"""{CONNECT}
  Properties = list_to_tuple(['P_basic' | lists:duplicate(14, undefined)]),
  Send = fun(Channel, N) ->
    Message = {{amqp_msg, Properties, integer_to_binary(N)}},
    ok = amqp_channel:call(Channel, {{'basic.publish', 0, <<>>, <<"kept">>, false, false}}, Message),
    true = amqp_channel:wait_for_confirms(Channel, 5)
  end,
  Loop = fun Loop(Channel, N) ->
    case catch case Channel of none -> Open(); _ -> Send(Channel, N), Channel end of
      {{'EXIT', _}} -> timer:sleep(100), Loop(none, N + 1);
      Found when Channel =:= none -> Loop(Found, N);
      Found -> io:format("~b~n", [N]), timer:sleep(20), Loop(Found, N + 1)
    end
  end,
  Loop(none, erlang:system_time(second) * 1000)."""
CONSUME = f"""{CONNECT}
  Channel = Open(),
  Loop = fun Loop() ->
    case amqp_channel:call(Channel, {{'basic.get', 0, <<"kept">>, true}}) of
      {{_, {{amqp_msg, _, Text}}}} -> io:format("~s~n", [Text]), Loop();
      _ -> halt(0)
    end
  end,
  Loop()."""


class Writer:
    """What a writer in a pod of its own was told is kept, and when."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.kept: list[tuple[float, int]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.kept.append((time.monotonic(), int(line)))

    def wait_for(self, more: int = 5) -> None:
        """Until so many more were acknowledged."""
        wanted = len(self.kept) + more
        assert eventually(lambda: len(self.kept) >= wanted, BACK)

    @property
    def longest(self) -> float:
        """Seconds between two acknowledged writes, at most."""
        times = [at for at, _ in self.kept]
        return max(after - before for before, after in itertools.pairwise(times))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def writer(cloud: ClusterCloud, workload: str, *command: str) -> Iterator[Writer]:
    """A pod of a workload's image, in which something writes without a pause, until the end."""
    image = json.loads(cloud.kubectl("get", "statefulset", workload, "-o", "json"))
    name = f"writer-{workload}"
    reference = image["spec"]["template"]["spec"]["containers"][0]["image"]
    overrides = {"spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}}
    words = ("run", name, f"--image={reference}", "--restart=Never", f"--overrides={json.dumps(overrides)}")
    cloud.kubectl(
        *words, "--env=MYSQL_PWD=example-mysql-keystone", "--env=HOME=/tmp", "--command", "--", "sleep", "3600"
    )
    try:
        cloud.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=120s")
        inside = ("kubectl", "--namespace", cloud.name, "exec", name, "--")
        # a busy kubelet says that a pod is ready, and does not find its container yet
        assert eventually(lambda: subprocess.run((*inside, "true"), env=cloud.environment, check=False).returncode == 0)
        argv = (*inside, *command)
        running = Writer(subprocess.Popen(argv, env=cloud.environment, stdout=subprocess.PIPE, text=True))
        try:
            running.wait_for(20)
            yield running
        finally:
            running.end()
    finally:
        cloud.kubectl("delete", "pod", name, "--ignore-not-found", "--wait=true")


@pytest.fixture(scope="module")
def ha(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterCloud]:
    """The two clusters of examples/kubernetes-ha, up and proven."""
    folder = tmp_path_factory.mktemp("ha")
    model = folder / "model"
    shutil.copytree(ROOT / "examples" / "kubernetes-ha", model)
    for node in ("keystone", "glance", "memcached"):
        (model / f"nodes/{node}.yml").unlink()
    substitute(model / "saltern.yml", "cloud: kube-ha\n", "cloud: e2e-ha-kube\n")
    substitute(model / "saltern.yml", "127.0.0.1:5000", cluster.registry)
    engine = select_engine(LocalRunner(), CACHE / "saltern", "podman")
    made = ClusterCloud("e2e-ha-kube", model, folder / "state", engine, {}, kubeconfig=cluster.kubeconfig)
    try:
        made.saltern("apply", "--yes")
        yield made
    finally:
        made.remove()


def whole(cloud: ClusterCloud, workload: str) -> bool:
    """Whether all members serve."""
    status = json.loads(cloud.kubectl("get", "statefulset", workload, "-o", "json"))["status"]
    return bool(status.get("readyReplicas", 0) == len(MEMBERS))


def sql(cloud: ClusterCloud, number: int, statement: str) -> list[str]:
    """What a member itself answers."""
    words = (
        "mariadb",
        "--no-defaults",
        "--host=127.0.0.1",
        "--user=keystone",
        "--batch",
        "--skip-column-names",
        "keystone",
    )
    command = ("env", "MYSQL_PWD=example-mysql-keystone", *words, f"--execute={statement}")
    return cloud.kubectl("exec", f"mariadb-{number}", "-c", "mariadb", "--", *command).split()


def rows(cloud: ClusterCloud, number: int) -> set[int]:
    return {int(row) for row in sql(cloud, number, "select n from kept")}


def assert_all_have(cloud: ClusterCloud, kept: Sequence[tuple[float, int]]) -> None:
    wanted = {number for _, number in kept}
    for member in MEMBERS:
        assert wanted <= rows(cloud, member), f"mariadb-{member} lacks rows"


def killed(cloud: ClusterCloud, workload: str, numbers: Sequence[int], *command: str) -> Writer:
    """What became of a writer while pods were killed, and until all were back."""
    with writer(cloud, workload, *command) as one:
        pods = [f"{workload}-{number}" for number in numbers]
        cloud.kubectl("delete", "pod", *pods, "--grace-period=0", "--force")
        assert eventually(lambda: not whole(cloud, workload))
        assert eventually(lambda: whole(cloud, workload), BACK)
        one.wait_for()
    return one


def test_any_pod_of_mariadb_may_be_killed(ha: ClusterCloud) -> None:
    sql(ha, 0, TABLE)
    for number in MEMBERS:
        one = killed(ha, "mariadb", [number], "bash", "-c", INSERT)
        assert one.longest < SECONDS, number
        assert_all_have(ha, one.kept)
    ha.saltern("verify", "mariadb")


def test_when_all_pods_of_mariadb_were_killed_one_begins_with_all_rows(ha: ClusterCloud) -> None:
    one = killed(ha, "mariadb", MEMBERS, "bash", "-c", INSERT)
    logs = [ha.kubectl("logs", f"mariadb-{number}", "-c", "mariadb") for number in MEMBERS]
    assert sum("begins the cluster" in log for log in logs) == 1, logs
    assert len({tuple(sql(ha, n, "show status like 'wsrep_cluster_state_uuid'")) for n in MEMBERS}) == 1
    assert_all_have(ha, one.kept)
    ha.saltern("verify", "mariadb")


def test_any_pod_of_rabbitmq_may_be_killed(ha: ClusterCloud) -> None:
    kept: list[tuple[float, int]] = []
    for number in MEMBERS:
        one = killed(ha, "rabbitmq", [number], "bash", "-c", ERL, PUBLISH)
        assert one.longest < SECONDS, number
        kept += one.kept
    ha.saltern("verify", "rabbitmq")
    command = ("exec", "rabbitmq-0", "--", "env", "HOME=/tmp", "bash", "-c", ERL, CONSUME)
    found = {int(line) for line in ha.kubectl(*command).split()}
    assert {number for _, number in kept} <= found
