"""Stores a secret and reads it, has a key made, and deletes both."""
import os
import secrets
import time

import openstack

manager = openstack.connect().key_manager
text = secrets.token_urlsafe()
name = "saltern-verify-%d" % time.time()
made = []
try:
    secret = manager.post("/secrets", json={"name": name, "payload": text, "payload_content_type": "text/plain"})
    openstack.exceptions.raise_from_response(secret)
    made.append("/secrets/" + secret.json()["secret_ref"].rpartition("/")[2])
    read = manager.get(made[0] + "/payload", headers={"Accept": "text/plain"})
    assert read.text == text, "another text was read than stored: %s" % read.status_code

    if os.environ["ORDERS"]:  # by the worker, through the message queue
        wanted = {"name": name, "algorithm": "aes", "bit_length": 256, "mode": "cbc"}
        order = manager.post("/orders", json={"type": "key", "meta": wanted})
        openstack.exceptions.raise_from_response(order)
        made.append("/orders/" + order.json()["order_ref"].rpartition("/")[2])
        for _ in range(60):
            state = manager.get(made[1]).json()
            if state["status"] != "PENDING":
                break
            time.sleep(1)
        assert state["status"] == "ACTIVE", "the order of a key: %s" % state
        made.append("/secrets/" + state["secret_ref"].rpartition("/")[2])
        key = manager.get(made[2] + "/payload", headers={"Accept": "application/octet-stream"})
        assert len(key.content) == 32, "the key has %d bytes" % len(key.content)
finally:
    gone = [manager.delete(path).status_code for path in made]
assert set(gone) == {204}, "not deleted: %s" % dict(zip(made, gone))
told = "secret %s: stored, read, deleted" % made[0].rpartition("/")[2]
print(told + "; a key made and deleted" if len(made) > 1 else told)
