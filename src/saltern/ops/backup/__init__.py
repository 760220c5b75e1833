"""Backups: taking one, proving it by a restore into throw-away volumes, keeping it, and putting it back.

Acts through the engine alone: it knows no model and no service. What is to be taken comes as values of
:mod:`saltern.formulas.backups`, and where it lives as an :class:`~.instance.Instance`.
"""
