"""Low state → five phases, each chunk with a one-line reason. Pure.

====================  =====================================================================================
``build``             packages, repositories, users, directories: goes into the image
``config``            files and settings: rendered per revision, never in the image, so no secret ever is
``bootstrap``         acts on a live service: databases, vhosts, schema syncs, endpoints: one-shot jobs
``process``           ``service.*``: what the container runs
``host``              the kernel, mounts, network devices: only for hosts
====================  =====================================================================================

A table by state function gives each chunk its default; then requisites move chunks until all agree; at last overrides
by state id (a formula's ``meta/container.yml``) win over both. ``docs/decisions/030-phases.md`` has the rules' story.
"""

from saltern.phases.split import Assignment, Hints, Split, split
from saltern.phases.table import Phase

__all__ = ["Assignment", "Hints", "Phase", "Split", "split"]
