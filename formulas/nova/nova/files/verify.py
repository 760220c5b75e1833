"""Proves that Nova does what it is for. Argument 1: "controller", or "compute" for the machine of argument 2."""
import os
import sys
import time

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

login = {name: os.environ[f"OS_{name.upper()}"] for name in ("auth_url", "username", "password", "project_name")}
auth = v3.Password(user_domain_id="default", project_domain_id="default", **login)
api = adapter.Adapter(
    session.Session(auth),
    service_type="compute",
    interface="internal",
    region_name=os.environ["OS_REGION_NAME"],
    default_microversion="2.53",
)


def wait(problem):
    """Until there is no problem any more: services tell every ten seconds that they are up."""
    until = time.monotonic() + 100
    while found := problem():
        assert time.monotonic() < until, found
        time.sleep(1)


def not_up():
    services = [one for one in api.get("/os-services").json()["services"] if one["status"] == "enabled"]
    up = {one["binary"] for one in services if one["state"] == "up"}
    missing = {"nova-conductor", "nova-scheduler"} - up
    missing |= {f"{one['binary']} on {one['host']}" for one in services if one["state"] != "up"}
    return "not up: " + ", ".join(sorted(missing)) if missing else ""


def no_hypervisor():
    found = [one for one in api.get("/os-hypervisors/detail").json()["hypervisors"] if one["service"]["host"] == sys.argv[2]]
    states = {one["state"] for one in found}
    if states != {"up"}:
        return f"the hypervisor of {sys.argv[2]} is {', '.join(sorted(states)) or 'not known'}"
    global hypervisor
    (hypervisor,) = found


if sys.argv[1] == "compute":
    wait(no_hypervisor)
    size = f"{hypervisor['vcpus']} processors, {hypervisor['memory_mb']} MiB"
    print(f"the hypervisor {hypervisor['hypervisor_hostname']} ({hypervisor['hypervisor_type']}; {size}) is up")
    sys.exit()
wait(not_up)
services = api.get("/os-services").json()["services"]
wanted = {"name": f"saltern-verify-{os.urandom(4).hex()}", "ram": 64, "vcpus": 1, "disk": 0, "os-flavor-access:is_public": False}
flavor = api.post("/flavors", json={"flavor": wanted}).json()["flavor"]
try:
    got = api.get(f"/flavors/{flavor['id']}").json()["flavor"]
    assert all(got[name] == value for name, value in wanted.items()), got
finally:
    api.delete(f"/flavors/{flavor['id']}")
names = ", ".join(sorted(f"{one['binary']}@{one['host']}" for one in services if one["state"] == "up"))
print(f"up: {names}; a flavor made, read again and removed")
