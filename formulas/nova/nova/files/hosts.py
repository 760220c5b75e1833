"""Lists the machines that run guests, empties one and takes it back. Argument 1: list, drain or return; 2: nova.conf.

What else it has to know is in the environment; it tells a JSON object per line (Saltern: meta/host.yml). It asks as
Nova's own user, and with microversion 2.84, Zed's 2.93 is newer: from there on an action says why it failed.
"""
import configparser
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from keystoneauth1 import adapter, exceptions, session
from keystoneauth1.identity import v3

MARK = "saltern_drained"
"""Metadata of a guest that drain stopped: from which machine it did."""
RUNS = (1, 3)
"""Power states: running, paused."""
TASK, POWER, HOST = "OS-EXT-STS:task_state", "OS-EXT-STS:power_state", "OS-EXT-SRV-ATTR:host"
POLL, REASON = 2, 10
HEARD = 90
"""Seconds: a compute tells every ten that it is there, and is down after sixty."""
AT_ONCE = {"migrate": 1}
"""Nova lets a machine send one guest at a time."""

told = threading.Lock()
host, guests = os.environ.get("SALTERN_HOST", ""), os.environ.get("SALTERN_GUESTS", "")
timeout = float(os.environ.get("SALTERN_TIMEOUT", 0))


class Refused(Exception):
    """Nova's reason, or that its time is over."""


class Gone(Exception):
    """The guest was deleted meanwhile."""


def tell(kind, **what):
    with told:
        print(json.dumps({"kind": kind, **what}), flush=True)


def end(brief, resolution=""):
    tell("problem", brief=brief, resolution=resolution)
    sys.exit(1)


def connect(path):
    file = configparser.RawConfigParser(delimiters=("=",), strict=False)
    file.read(path)
    given = {name: value.replace("$$", "$") for name, value in file["keystone_authtoken"].items()}
    names = ("auth_url", "username", "password", "project_name", "user_domain_id", "project_domain_id")
    auth = v3.Password(**{name: given[name] for name in names})
    return adapter.Adapter(
        session.Session(auth, timeout=180),  # Nova itself asks a compute, and waits a minute for one that is down
        service_type="compute",
        interface="internal",
        region_name=given["region_name"],
        default_microversion="2.84",
    )


def call(method, path, body=None):
    answer = api.request(path, method, json=body, raise_exc=False)
    if answer.status_code == 404 and path.startswith("/servers/"):
        raise Gone
    if answer.status_code >= 400:
        raise Refused(message(answer))
    return answer


def message(answer):
    """What Nova says is wrong: {"conflictingRequest": {"message": …}}."""
    try:
        (fault,) = answer.json().values()
        return fault["message"]
    except (ValueError, AttributeError, TypeError, KeyError):
        return f"{answer.status_code} {answer.text[:200]}".strip()


def computes():
    return call("GET", "/os-services?binary=nova-compute").json()["services"]


def compute():
    found = [one for one in computes() if one["host"] == host]
    return found[0] if found else end(f"Nova knows no machine {host}", "bring it up: it makes itself known")


def servers(machine):
    found = []
    while True:
        after = f"&marker={found[-1]['id']}" if found else ""
        page = call("GET", f"/servers/detail?all_tenants=1&host={machine}{after}").json()["servers"]
        if not page:
            return found
        found += page


def tell_host(service):
    there = servers(service["host"])
    tell(
        "host",
        host=service["host"],
        enabled=service["status"] == "enabled",
        up=service["state"] == "up",
        reason=service["disabled_reason"] or "",
        guests=len(there),
        running=len([one for one in there if runs(one)]),
    )


def runs(guest):
    return guest[POWER] in RUNS


def settled(guest):
    """The guest, when nothing is done with it any more."""
    until = time.monotonic() + timeout
    while True:
        now = call("GET", f"/servers/{guest['id']}").json()["server"]
        if not now[TASK]:
            return now
        if time.monotonic() >= until:
            raise Refused(f"still {now[TASK]} after {timeout:.0f} s")
        tell("progress", subject=now["name"], text=now[TASK])
        time.sleep(POLL)


def act(guest, action, is_done):
    """Ask for an action and wait; what the guest is then."""
    request = call("POST", f"/servers/{guest['id']}/action", action).headers.get("x-openstack-request-id", "")
    now = settled(guest)
    if not is_done(now):
        raise Refused(why(now, request))
    return now


def why(guest, request):
    """What an action says of its failure, which it may do a moment after the guest is as before."""
    until = time.monotonic() + min(REASON, timeout)
    while not (said := failures(guest, request)) and time.monotonic() < until:
        time.sleep(POLL)
    return "; ".join(said) or f"it is {guest['status']} on {guest[HOST]}, and Nova does not say why"


def failures(guest, request):
    try:
        action = call("GET", f"/servers/{guest['id']}/os-instance-actions/{request}").json()["instanceAction"]
    except (Refused, Gone):
        return []
    return list(dict.fromkeys(event["details"] for event in action["events"] if event.get("details")))


def migrate(guest):
    action = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    return "migrated", act(guest, action, lambda now: now[HOST] != host)


def stop(guest):
    mark(guest)  # before it stops: who is killed in between leaves none that is not started again
    try:
        return "stopped", act(guest, {"os-stop": None}, lambda now: now["status"] == "SHUTOFF")
    except Refused:
        if call("GET", f"/servers/{guest['id']}").json()["server"][TASK] is None:
            unmark(guest)
        raise


def mark(guest):
    call("POST", f"/servers/{guest['id']}/metadata", {"metadata": {MARK: host}})


def unmark(guest):
    try:
        call("DELETE", f"/servers/{guest['id']}/metadata/{MARK}")
    except Gone:
        pass


def emptied(guest):
    """What was done with a guest of a machine that is drained, and what the guest is then."""
    guest = settled(guest)
    if guest[HOST] != host:
        return "migrated", guest  # by somebody before
    if not runs(guest):
        return "stopped" if MARK in guest["metadata"] else "left", guest
    return {"migrate": migrate, "stop": stop, "leave": lambda same: ("left", same)}[guests](guest)


def started(guest):
    """The same of one that comes back."""
    guest = settled(guest)
    did = "left"
    if guest["status"] == "SHUTOFF":
        guest = act(guest, {"os-start": None}, lambda now: now["status"] == "ACTIVE")
        did = "started"
    unmark(guest)
    return did, guest


def work(guest, do):
    """Do it, and tell; what Nova refuses is told as well, and the rest goes on."""
    begun, name = time.monotonic(), guest["name"]
    tell("begun", subject=name, text=guest["id"])
    did, problem = "left", ""
    try:
        did, guest = do(guest)
    except Gone:
        did, guest = "deleted", {**guest, HOST: "", "status": "DELETED"}
    except (Refused, exceptions.ClientException) as error:
        problem = str(error)
    tell(
        "guest",
        guest=name,
        id=guest["id"],
        did=did,
        status=guest["status"],
        host=guest[HOST],
        seconds=round(time.monotonic() - begun, 1),
        problem=problem,
    )


def set_status(service, **status):
    call("PUT", f"/os-services/{service['id']}", status)


def drain():
    service = compute()
    others = [one for one in computes() if one["host"] != host and (one["status"], one["state"]) == ("enabled", "up")]
    if guests == "migrate" and not others and any(map(runs, servers(host))):
        end(
            f"no guest can be moved away from {host}: there is no other machine that is enabled and up",
            "stop the guests, or leave them: --guests stop, --guests leave",
        )
    set_status(service, status="disabled", disabled_reason=os.environ["SALTERN_REASON"])
    tell("progress", subject=host, text="gets no new guests")
    seen = set()
    with ThreadPoolExecutor(AT_ONCE.get(guests, 4)) as pool:
        # again: those that were on their way here
        while fresh := [one for one in servers(host) if one["id"] not in seen]:
            seen |= {one["id"] for one in fresh}
            list(pool.map(lambda one: work(one, emptied), fresh))
    tell_host(compute())


def take_back():
    until = time.monotonic() + min(HEARD, timeout)
    while (service := compute())["state"] != "up":
        if time.monotonic() >= until:
            end(f"nothing is heard of {host}: no guest would start there", "bring it up; see its log")
        tell("progress", subject=host, text="is not up yet")
        time.sleep(POLL)
    set_status(service, status="enabled")
    tell("progress", subject=host, text="gets guests again")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: work(one, started), [one for one in servers(host) if MARK in one["metadata"]]))
    tell_host(compute())


def list_hosts():
    for service in computes():
        tell_host(service)


try:
    api = connect(sys.argv[2])
    {"list": list_hosts, "drain": drain, "return": take_back}[sys.argv[1]]()
except (Refused, exceptions.ClientException) as error:
    end(f"Nova cannot be asked: {error}")
