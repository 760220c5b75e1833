"""Classes and nodes in, a frozen inventory out, with the origin of every value. Pure but for :mod:`.storage`'s reading.

From left to right: :mod:`.storage` finds and reads files, :mod:`.load` keeps them by name, :mod:`.entity` compiles each
to terms (:mod:`.terms`, :mod:`.template`), :mod:`.flatten` walks a node's classes and merges them (:mod:`.merge`),
:mod:`.interpolate` renders references and queries (:mod:`.query`), :mod:`.tracing` tells where a value comes from
(:mod:`.origins`; :mod:`.loops` keeps it from going round), :mod:`.tree` is what users get.
"""

from saltern.model.inventory import load_inventory, open_inventory
from saltern.model.options import Options
from saltern.model.origins import Origin, OriginKind
from saltern.model.tree import Inventory, Node

__all__ = ["Inventory", "Node", "Options", "Origin", "OriginKind", "load_inventory", "open_inventory"]
