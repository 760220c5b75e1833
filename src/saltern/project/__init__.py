"""One function per use case, over an opened :class:`~.context.Project`: compile, build, render, bring up, take down.

Here the layers meet; no layer below knows the others' order. Nothing prints: events go to the caller's ``emit``.
"""
