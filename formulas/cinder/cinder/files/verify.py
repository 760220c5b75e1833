"""Makes a volume of 1 GB, and one from an image where there is Glance, and removes them; waits for a host that makes them."""
import os
import time

import openstack

UP = ("cinder-volume", "up", "enabled")
cloud = openstack.connect()
storage = cloud.block_storage
until = time.monotonic() + 90
while UP not in [(s["binary"], s["state"], s["status"]) for s in storage.get("/os-services").json()["services"]]:
    if time.monotonic() > until:
        raise SystemExit("no cinder-volume is up")
    time.sleep(1)


def made_and_removed(**what):
    volume = storage.create_volume(name="saltern-verify", size=1, **what)
    try:
        volume = storage.wait_for_status(volume, "available", ["error"], interval=1, wait=90)
        assert volume.id in [one.id for one in storage.volumes()]
    finally:
        storage.delete_volume(volume)
    storage.wait_for_delete(volume, interval=1, wait=60)
    return volume


volume = made_and_removed()
told = "volume %s: %d GB made by %s, listed, removed" % (volume.id, volume.size, volume.host)
if os.environ.get("IMAGE"):
    data = os.urandom(1 << 20)
    image = cloud.image.create_image(
        "saltern-verify", data=data, disk_format="raw", container_format="bare", visibility="private", allow_duplicates=True
    )
    try:
        made_and_removed(image_id=image.id)
    finally:
        cloud.image.delete_image(image)
    told += "; another one made from an image"
print(told)
