"""Where secrets are kept: one module per store, and what reads, writes and makes their values.

The values leave this layer only by :func:`.resolve.resolve` (for a rollout) and by :mod:`.safe`'s own methods (for the
``secret`` verbs). IO is allowed here: files, the environment, Vault over HTTP. Which secrets a model refers to is
:mod:`saltern.model.secret_references`' concern.
"""
