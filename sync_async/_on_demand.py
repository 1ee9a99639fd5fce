"""Resources of a client that are imported and made when they are first asked for.

Few programs need them all, and the classes that they bring take longer to import than the client itself.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sync_async._forks import imports


class OnDemand:
    """What both clients share: the annotations of their class name their resources, for checkers and for this."""

    def _make_resource(self, cls: Any, name: str) -> object:
        """Make a resource of this client."""
        raise NotImplementedError

    if not TYPE_CHECKING:  # a checker should still find misspelled resources

        def __getattr__(self, name: str) -> Any:
            named, package = _resources_of(type(self))  # type: ignore[arg-type]  # a type is hashable
            if name not in named:
                msg = f"{type(self).__name__!r} object has no attribute {name!r}"
                raise AttributeError(msg)
            with imports.under_way():
                module = importlib.import_module(f"{package}.resources.{name}")
            resource = self.__dict__[name] = self._make_resource(getattr(module, named[name]), name)
            return resource

    def __dir__(self) -> Iterable[str]:
        named, _ = _resources_of(type(self))  # type: ignore[arg-type]  # a type is hashable
        return [*super().__dir__(), *named]


@functools.cache
def _resources_of(client: type) -> tuple[dict[str, str], str]:
    """Give the classes of the resources by name, and the package that has them; `client` may be a caller's own."""
    ours = next(cls for cls in client.__mro__ if cls.__module__ in ("sync_async._client", "sync_blocking._client"))
    return inspect.get_annotations(ours), ours.__module__.partition(".")[0]
