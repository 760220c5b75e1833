"""Workloads → Kubernetes manifests, plain and deterministic: one object each, for any way of applying them. Pure.

:func:`~saltern.targets.kubernetes.cloud.project` gives the objects, :func:`~saltern.targets.kubernetes.manifest.render`
the text of one. No module here reads a file or asks a server.
"""
