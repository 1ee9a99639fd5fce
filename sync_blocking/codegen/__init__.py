"""Makes `sync_blocking` from `sync_async`: `python -m sync_blocking.codegen [--check]`.

A development tool. It reads the core's source text as a syntax tree, imports nothing of it, evaluates no
annotation, and stops at whatever it does not know.
"""
