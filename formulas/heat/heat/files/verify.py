"""Makes a stack with a value and a user in the stacks' domain, and removes it."""
import time

import openstack

TEMPLATE = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "value": {"type": "OS::Heat::RandomString", "properties": {"length": 8}},
        # makes a user in the domain, and a trust
        "handle": {"type": "OS::Heat::WaitConditionHandle"},
    },
    "outputs": {"value": {"value": {"get_attr": ["value", "value"]}}},
}
heat = openstack.connect().orchestration
stack = heat.create_stack(name="saltern-verify-%d" % time.time(), template=TEMPLATE)
try:
    heat.wait_for_status(stack, "CREATE_COMPLETE", ["CREATE_FAILED"], interval=1, wait=120)
    made = heat.get_stack(stack.id)
    (output,) = made.outputs
    assert len(output["output_value"]) == 8
finally:
    heat.delete_stack(stack)
heat.wait_for_delete(stack, interval=1, wait=120)
print("stack %s: %s, a value of it read, removed" % (made.id, made.status))
