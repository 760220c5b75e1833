"""What every layer may use and no domain word belongs in: errors, events, processes, YAML with marks, the store.

IO lives here behind small interfaces (:class:`~saltern.base.process.Runner`,
:class:`~saltern.base.store.Store`), so that the layers above stay pure.
"""
