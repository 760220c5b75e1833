"""Brings a rendered cloud to the running one: what to do (:mod:`.steps`, pure), then doing it (:mod:`.execute`).

Acts only through the engine and Compose; decides nothing while it acts.
"""
