"""Saltern runs an OpenStack private cloud from one source of truth.

The package names read as the flow: ``model`` → ``formulas`` → ``phases`` → ``images`` → ``targets`` → ``rollout``;
``project`` has one function per use case and ``cli`` is the only layer that prints or exits.
"""

__version__ = "0.1.0"
