"""The time from starting a container to its process: the command and mounts that we give it over the bare command.

Both containers run the image of keystone with podman. The process is replaced by ``true``, so that only what we add is
in the difference: the shell that some units need, the read-only root, the config and memory mounts.
"""

from __future__ import annotations

import sys

from measure import call, project, seconds, table

from saltern.project.rendering import render

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 15


def main() -> None:
    opened = project()
    engine = opened.engine
    service = render(opened).compose["services"]["keystone"]
    image = service["image"]
    ours = ["run", "--rm", "--network", "none", "--read-only", "--cap-drop", "all", "--user", service["user"]]
    ours += [word for path in service["tmpfs"] for word in ("--tmpfs", path)]
    for mount in service["volumes"]:
        if mount["type"] == "bind":
            ours += ["--mount", f"type=bind,source={mount['source']},target={mount['target']},ro"]
    bare = ["run", "--rm", "--network", "none"]
    as_we_do: list[float] = []
    by_hand: list[float] = []
    for _ in range(RUNS):
        as_we_do.append(seconds(lambda: call(engine, *ours, image, "/bin/sh", "-c", "exec /bin/true")))
        by_hand.append(seconds(lambda: call(engine, *bare, image, "/bin/true")))
    table(
        [
            ("as Saltern starts it", as_we_do, "s"),
            ("the same image by hand", by_hand, "s"),
            ("difference of each pair", [a - b for a, b in zip(as_we_do, by_hand, strict=True)], "s"),
        ]
    )


main()
