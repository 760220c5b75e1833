"""``saltern up`` with nothing changed, and from built images to a token."""

from __future__ import annotations

import sys
import threading
import time

import httpx
from measure import project, saltern, seconds, table

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
TOKEN_URL = "http://127.0.0.1:5000/v3/auth/tokens"


def token(password: str) -> None:
    """Ask for a token until there is one; bounded."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    for _ in range(1800):
        try:
            if httpx.post(TOKEN_URL, json=body, trust_env=False).status_code == 201:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    sys.exit("no token within three minutes")


def main() -> None:
    opened = project()
    password = opened.member("keystone").pillar["keystone"]["server"]["admin"]["password"]
    first: list[float] = []
    whole: list[float] = []
    same: list[float] = []
    for _ in range(RUNS):
        saltern("down", "--volumes")
        up = threading.Thread(target=saltern, args=("up", "--no-verify"))
        begun = time.monotonic()
        up.start()
        token(password)
        first.append(time.monotonic() - begun)
        up.join()
        whole.append(time.monotonic() - begun)
        same += [seconds(lambda: saltern("up")) for _ in range(3)]
    table(
        [
            ("from built images to a token, empty volumes", first, "s"),
            ("from built images to all services ready", whole, "s"),
            ("up with nothing changed", same, "s"),
        ]
    )


main()
