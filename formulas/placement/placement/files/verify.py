"""Proves that Placement finds what has room: an own class of resources, of which a provider has two, and one is asked for."""
import os
import uuid

from keystoneauth1 import adapter, session
from keystoneauth1.identity import v3

login = {name: os.environ[f"OS_{name.upper()}"] for name in ("auth_url", "username", "password", "project_name")}
auth = v3.Password(user_domain_id="default", project_domain_id="default", **login)
api = adapter.Adapter(
    session.Session(auth),
    service_type="placement",
    interface="internal",
    region_name=os.environ["OS_REGION_NAME"],
    default_microversion="1.20",
)
newest = api.get("/").json()["versions"][0]["max_version"]
# of nobody's machine: no guest asks for this class, so none is placed there
ours = str(uuid.uuid4())
resource = "CUSTOM_SALTERN_VERIFY"
api.put(f"/resource_classes/{resource}")
provider = api.post("/resource_providers", json={"name": f"saltern-verify-{ours}", "uuid": ours}).json()
try:
    inventory = {"resource_provider_generation": provider["generation"], "inventories": {resource: {"total": 2}}}
    api.put(f"/resource_providers/{ours}/inventories", json=inventory)
    found = api.get(f"/allocation_candidates?resources={resource}:1").json()["provider_summaries"]
    assert ours in found, f"the provider {ours} is no candidate"
finally:
    api.delete(f"/resource_providers/{ours}")
print(f"Placement (API up to {newest}) found room for 1 of 2 at the provider {ours}, removed")
