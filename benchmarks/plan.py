"""``saltern plan``: with nothing changed on the running example, and on a generated model of 1,000 nodes.

``plan.py example [RUNS]`` needs the example up on podman; ``--model`` names another one. ``plan.py large [RUNS]``
needs no engine: see ``planning/engine.py``. ``--nodes`` gives another size, ``--profile`` a profile of one plan.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from measure import MODEL, ROOT, SALTERN, table
from planning.engine import MemoryEngine
from planning.model import write

from saltern.cli.main import collect_rarely
from saltern.project import planning, recording
from saltern.project.context import Options, Project, open_project
from saltern.project.world import job_containers, journal_of
from saltern.rollout import delivery
from saltern.rollout.rollouts import Outcome, Record

ROLE = "neutron"
Times = Mapping[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["example", "large", "one"])
    parser.add_argument("runs", type=int, nargs="?", default=5)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--folder", type=Path, help="keep the large model and its state here")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    if given.what == "one":
        one(given.folder, profile=given.profile)
    elif given.what == "example":
        example(given.model, given.runs)
    else:
        with tempfile.TemporaryDirectory(prefix="saltern-plan-") as folder:
            large(given.folder or Path(folder), given.nodes, given.runs)


def example(model: Path, runs: int) -> None:
    """Plans of no change, each a process of its own."""
    times: Times = {"wall": [], "processor": []}
    for _ in range(runs):
        said = timed([SALTERN, "plan", "--json", "--model", str(model), "--engine", "podman"], times)
        if json.loads(said)["steps"]:
            sys.exit("the example is not up, or not as the model says")
    rows = (f"plan with nothing changed, {what} time" for what in times)
    table([(name, values, "s") for name, values in zip(rows, times.values(), strict=True)])


def large(folder: Path, nodes: int, runs: int) -> None:
    """Cold, warm, and after one value of one role."""
    found: dict[str, Times] = {}
    if not (folder / "engine.json").exists():
        write(folder / "model", nodes, ROOT / "formulas")
        prepare(folder)
    command = [sys.executable, __file__, "one", "--folder", str(folder)]
    for number in range(runs):
        shutil.rmtree(folder / "cache")
        for what in ("cold", "warm", "warm", "warm", "one value"):
            if what == "one value":
                change(folder / "model", number)
            steps = int(timed(command, found.setdefault(what, {"wall": [], "processor": []})))
            if (steps > 0) != (what == "one value"):
                sys.exit(f"{what}: a plan of {steps} steps")
        change(folder / "model", None)
    table([(f"{nodes} nodes, {what}, {kind}", v, "s") for what, times in found.items() for kind, v in times.items()])


def timed(command: list[str], times: Times) -> str:
    """Run a command; its stdout. Wall and processor time, of its children as well."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    times["wall"].append(wall)
    times["processor"].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"{wall:7.2f} s wall, {times['processor'][-1]:7.2f} s processor", file=sys.stderr, flush=True)
    return done.stdout


def opened(folder: Path) -> Project:
    options = Options(engine="podman", state=folder / "state", cache=folder / "cache")
    project = open_project(folder / "model", options)
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saltern"
    project.__dict__["engine"] = MemoryEngine(folder / "engine.json", default)
    return project


def prepare(folder: Path) -> None:
    """Everything that the model says runs, and a rollout brought it."""
    project = opened(folder)
    with project.locked():
        planned = planning.plan_locked(project)  # its names of images are those before the packages were locked
        planned = planning.plan_locked(opened(folder))
    for live in delivery.lives(planned.rendered.cloud):
        delivery.switch(live)
        delivery.took(live)
    compose = planned.rendered.compose
    project.engine.run_all(compose["services"], compose["volumes"])  # type: ignore[attr-defined]
    for job in job_containers(planned.rendered):
        journal_of(project).add(job)
    recording.save(project, planned.revision)
    record = Record.begin(project.state / "rollouts", "up", planned.plan.as_json())
    record.end(Outcome.DONE, {}, 1.0)


def one(folder: Path, *, profile: bool) -> None:
    """One plan in this process; prints how many steps it has."""
    collect_rarely()  # as the command does
    project = opened(folder)
    with cProfile.Profile(time.process_time) if profile else tempfile.TemporaryDirectory() as profiler:
        plan = planning.plan(project)
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(80)
    print(len(plan.as_json()["steps"]))


def change(model: Path, number: int | None) -> None:
    """Another value for all nodes of one role, or the role as it was."""
    path = model / "classes" / "role" / f"{ROLE}.yml"
    text = path.read_text().split("parameters:")[0]
    value = "" if number is None else f"parameters:\n  _param:\n    {ROLE}_workers: {10 + number}\n"
    path.write_text(text + value)


main()
