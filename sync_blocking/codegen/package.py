"""Writing the twin's `__init__`: its own public names, and those that it shares with the core.

It loads a name when it is first asked for. So the package is cheap to import, and the generator, which lives in
it, runs even when the core or what was generated from it does not.
"""

from __future__ import annotations

import ast
import textwrap

from sync_blocking.codegen import tables
from sync_blocking.codegen.emit import HEADER
from sync_blocking.codegen.rules import Rules
from sync_blocking.codegen.source import Source

CORE = "sync_async"

LOADER = '''
def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a checker shall know the names above, and take no other

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for."""
        import importlib

        if name not in __all__:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        value = globals()[name] = getattr(importlib.import_module(_HOMES.get(name, "sync_async")), name)
        return value
'''


def package_text(package: Source, source: Source, rules: Rules) -> str:
    """Give the whole module, unformatted; `package` has the docstring, and `source` the public names."""
    public = _public_names(source)
    own = {name: rules.name(source, source.tree, name) for name in public if name in tables.RENAMES}
    shared = [name for name in public if name not in own]
    if wrong := own.keys() ^ tables.HOMES.keys():
        source.fail(
            source.tree, f"in __all__ or in the table of homes, but not in both: {', '.join(sorted(wrong))}"
        )
    homes = {twin: tables.HOMES[name] for name, twin in own.items()}
    imports = [f"from {home} import {name}" for name, home in homes.items()]
    parts = [
        HEADER.format(name=source.name) + f'"""{_docstring(package, rules)}"""',
        "from __future__ import annotations",
        "TYPE_CHECKING = False  # as in typing, whose import would take longer than all of this",
        "if TYPE_CHECKING:",
        *(textwrap.indent(line, "    ") for line in [f"from {CORE} import {', '.join(shared)}", *imports]),
        f"__all__ = {sorted([*shared, *homes])!r}",
        f'_HOMES = {homes!r}\n"""Where names are that are not the core\'s; all others are."""',
        LOADER,
    ]
    return "\n\n".join(parts) + "\n"


def _public_names(source: Source) -> list[str]:
    assigned = [node for node in source.tree.body if isinstance(node, ast.Assign)]
    for node in assigned:
        if ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return source.fail(source.tree, "there is no __all__")


def _docstring(source: Source, rules: Rules) -> str:
    """Edit the package's docstring: a paragraph, and after it an example, which is not indented."""
    summary, _, example = source.docstring(source.tree).partition("\n\n")
    text = f"{summary}\n\nExample:\n{textwrap.indent(example, '    ')}"
    summary, _, example = rules.docstring(source, source.tree, text).partition("\n\nExample:\n")
    return f"{summary}\n\n{textwrap.dedent(example)}"
