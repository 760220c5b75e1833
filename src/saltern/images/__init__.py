"""Build chunks in, OCI images out: recipe (pure) → key → Containerfile → build, with SBOM, labels and a package lock.

``engine`` is the only door to podman and docker. Nothing here knows a service by name or reads the model.
"""
