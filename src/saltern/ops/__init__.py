"""Day two: backups, outdated packages, pages about a cloud, files for a Prometheus.

Acts through the engine, decides nothing about rollouts.
"""
