"""What resources share: the transport behind them, and their answers with all that stands around them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import attrs

from sync_async._keywords import explains_keywords
from sync_async._request import ApiRequest
from sync_async._response import ApiResponse, RawResponse, plain_headers, value_of
from sync_async._transport import Transport

P = ParamSpec("P")
T = TypeVar("T")
ResourceT = TypeVar("ResourceT")


class Caller:
    """The way from a resource to the transport; `RecordingCaller` also keeps what came back."""

    __slots__ = ("transport",)

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def fetch(self, request: ApiRequest[T]) -> Coroutine[Any, Any, T]:
        """Send a request and decode its answer."""
        return self.transport.fetch(request)

    def send(self, request: ApiRequest[Any]) -> Coroutine[Any, Any, ApiResponse]:
        """Send a request and return its answer."""
        return self.transport.send(request)


class RecordingCaller(Caller):
    """Keeps the last answer and its request's key."""

    __slots__ = ("key", "response")

    async def fetch(self, request: ApiRequest[T]) -> T:
        """Send a request, keep its answer and decode it."""
        return value_of(request, await self.send(request))

    async def send(self, request: ApiRequest[Any]) -> ApiResponse:
        """Send a request and keep its answer."""
        self.response = await super().send(request)
        self.key = request.idempotency_key
        return self.response


@attrs.frozen
class Resource:
    """A resource holds the way to the transport and nothing else."""

    _caller: Caller = attrs.field(repr=False)

    def __init_subclass__(cls) -> None:
        for name, method in list(vars(cls).items()):
            is_made_before = hasattr(method, "__wrapped__")  # attrs makes a class anew to give it slots
            if inspect.isfunction(method) and not name.startswith("_") and not is_made_before:
                setattr(cls, name, explains_keywords(method))


@attrs.frozen(eq=False, repr=False)
class WithRawResponse(Generic[ResourceT]):
    """The methods of a resource, each returning a `RawResponse`."""

    _transport: Transport = attrs.field(repr=False)
    _resource: Callable[[Caller], ResourceT] = attrs.field(repr=False)


def raw(
    method: Callable[Concatenate[ResourceT, P], Awaitable[T]],
) -> Callable[Concatenate[WithRawResponse[ResourceT], P], Coroutine[Any, Any, RawResponse[T]]]:
    """Make a resource's method into one that returns its answer with status and headers."""

    async def call(self: WithRawResponse[ResourceT], /, *args: P.args, **kwargs: P.kwargs) -> RawResponse[T]:
        caller = RecordingCaller(self._transport)
        data = await method(self._resource(caller), *args, **kwargs)  # its own class
        return RawResponse(
            status_code=caller.response.status,
            headers=plain_headers(caller.response.headers),
            data=data,
            idempotency_key=caller.key,
        )

    # not functools.wraps: its type hides the method's own parameters
    functools.update_wrapper(call, method)
    return call
