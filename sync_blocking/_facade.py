"""What the generated classes stand on: the parts of the blocking client that no rule can derive."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from sync_async._client import AsyncSync
from sync_async._keywords import explains_keywords
from sync_async._on_demand import OnDemand
from sync_blocking._loop import Portal

MethodT = TypeVar("MethodT", bound=Callable[..., Any])
ResourceT = TypeVar("ResourceT")
T = TypeVar("T")


def outcome_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return a coroutine as what it will come to, which the method's `blocking` makes of it."""
    return cast("T", coroutine)


def blocking(method: MethodT) -> MethodT:
    """Run the coroutine that a method returns, and return what comes of it.

    The method itself has returned by then, so that it stands in no traceback.
    """
    start = explains_keywords(method)

    @functools.wraps(method)
    def call(self: Facade[Any] | ClientFacade, /, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return self._portal.run(start(self, *args, **kwargs))

    return cast("MethodT", call)


def opening(module: str, twin: str) -> Callable[[MethodT], MethodT]:
    """Run the coroutine that a method returns, and return the twin of the resource that it opens.

    Args:
        module: Where the twin is, which is loaded when it is needed.
        twin: Its name.
    """

    def wrap(method: MethodT) -> MethodT:
        start = explains_keywords(method)

        @functools.wraps(method)
        def call(self: Facade[Any], /, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            opened = self._portal.run(start(self, *args, **kwargs))
            return getattr(importlib.import_module(module), twin)(opened, self._portal)

        return cast("MethodT", call)

    return wrap


class Closing:
    """What is closed when a `with` is left."""

    __slots__ = ()

    def close(self) -> None:
        """Close it."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Facade(Generic[ResourceT]):
    """A resource of the blocking client: the core's resource, and the way to the loop that it runs on."""

    __slots__ = ("_async", "_portal")

    def __init__(self, resource: ResourceT, portal: Portal) -> None:
        self._async = resource
        self._portal = portal


class ClientFacade(Closing, OnDemand):
    """Opening and closing of the blocking client."""

    _async: AsyncSync
    _portal: Portal

    def _use(self, client: AsyncSync, portal: Portal) -> None:
        self._async = client
        self._portal = portal

    def _make_resource(self, cls: Any, name: str) -> object:
        return cls(getattr(self._async, name), self._portal)

    def _copy(self, client: AsyncSync) -> Self:
        """Give a client over another core client that shares the connections and the loop."""
        copy = object.__new__(type(self))
        copy._use(client, self._portal)  # its own class
        return copy

    def close(self) -> None:
        """Close the connections; calls under way end with a ClosedError. Closing twice is fine."""
        self._portal.close()

    def __repr__(self) -> str:
        return repr(self._async).replace(type(self._async).__name__, type(self).__name__, 1)

    def __reduce__(self) -> Any:
        msg = f"{type(self).__name__} is not pickled: it has connections and a key; make one per process"
        raise TypeError(msg)
