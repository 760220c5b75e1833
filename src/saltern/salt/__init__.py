"""Modules that Salt itself loads, in its own Python: ``pillar_dirs`` and ``top_dirs`` name this folder.

They import nothing of the rest of Saltern; they run the ``saltern`` command and read its JSON.
"""
