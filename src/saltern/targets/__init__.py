"""Workloads in, what an orchestrator reads out; siblings (``compose`` first) have the same few functions. Pure."""
