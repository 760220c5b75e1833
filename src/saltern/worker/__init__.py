"""What runs beside real Salt, in the toolchain's Python: compile, freeze, apply, collect, inspect.

It imports nothing of the rest of Saltern; the two talk JSON lines. It is copied into the toolchain image.
"""
