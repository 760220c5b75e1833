"""Saltern's inventory engine against kapicorp-reclass 2.0.0 ("the reference"), both run on the same files.

``test_golden`` runs the reference on the cases of ``tests/golden/model``; ``test_properties`` on random models
(:mod:`.trees`).
"""
