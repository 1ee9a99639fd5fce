"""One blocking call: the work on the loop, the mailbox its caller waits at, the caller's own functions.

What arrives in the mailbox is either the outcome or a function of the caller's that the core wants called. The
waiting thread calls it, so that nothing of the caller's program ever runs on the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import queue
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec

from sync_async._errors import ClosedError

P = ParamSpec("P")

Outcome = tuple[BaseException | None, Any]
"""An error and None, or None and a value. A pair, since a coroutine may well return an error object."""

CLEANUP_BOUND = 5.0
"""Seconds that an interrupted call may take to clean up before the interrupt goes on."""
SLICE = 0.1 if sys.platform == "win32" else None
"""Longest uninterrupted wait in seconds: on Windows Ctrl-C does not end a wait."""


class Owner:
    """On whose behalf calls are made."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False


class Underway(set["Call"]):
    """The calls of one loop; what comes when the loop is about to end is refused."""

    is_over = False


class Call:
    """A coroutine on its way through the loop."""

    __slots__ = (
        "_by_close",
        "_calls",
        "_cancellation",
        "_coroutine",
        "_is_cancelled",
        "_loop",
        "_mailbox",
        "done",
        "is_heard",
        "owner",
        "task",
    )

    def __init__(self, coroutine: Coroutine[Any, Any, Any], owner: Owner) -> None:
        self.owner = owner
        self.task: asyncio.Task[Outcome] | None = None
        self.done = False
        self.is_heard = False
        self._coroutine = coroutine
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls = Underway()
        self._mailbox: queue.SimpleQueue[Outcome | Callable[[], None]] = queue.SimpleQueue()
        self._is_cancelled = False
        self._by_close = False
        self._cancellation: BaseException | None = None

    # What the caller's thread does.

    def post(self, loop: asyncio.AbstractEventLoop, calls: Underway) -> None:
        """Hand the work to the loop, with the caller's context; `calls` holds it while it lasts.

        Raises:
            RuntimeError: The loop is closed.
        """
        # entered before it is posted: whoever closes the loop thereafter finds it, so no call is ever forgotten
        calls.add(self)
        self._calls = calls
        self._loop = loop
        loop.call_soon_threadsafe(self._begin)

    def attend(self) -> Outcome:
        """Wait for the outcome, and call the caller's functions meanwhile."""
        __tracebackhide__ = True
        while True:
            message = self._next_message()
            if isinstance(message, tuple):
                self.is_heard = True
                return message
            message()

    def _next_message(self) -> Outcome | Callable[[], None]:
        while True:
            with contextlib.suppress(queue.Empty):
                return self._mailbox.get(timeout=SLICE)

    def abandon(self) -> None:
        """Cancel the work and wait, within bounds, until it has cleaned up; refuse it if it was never posted."""
        if self._loop is None:
            self._coroutine.close()  # what is refused must not complain of never having been awaited
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed, and what it had was ended
            self._loop.call_soon_threadsafe(self.cancel)
        deadline = time.monotonic() + CLEANUP_BOUND
        # an interrupt may strike just after the outcome was taken out, so the flag decides and not the mailbox
        while not self.done and (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                self._mailbox.get(timeout=left if SLICE is None else min(left, SLICE))

    # What the loop's thread does.

    def _begin(self) -> None:
        if self.owner.closed or self._calls.is_over:
            self.cancel(by_close=True)
        elif not self.done:
            self.task = asyncio.get_running_loop().create_task(self._work())
            self.task.add_done_callback(self._end)

    async def _work(self) -> Outcome:
        # SystemExit and KeyboardInterrupt end a loop when they escape from a task, so they are caught in the
        # very task that raises them and handed over as values
        _CURRENT.set(self)
        try:
            return None, await self._coroutine
        except asyncio.CancelledError as error:
            self._cancellation = _without_first_frame(error)
            raise
        except BaseException as error:  # noqa: BLE001  # all of it is the caller's
            return _without_first_frame(error), None

    def _end(self, task: asyncio.Task[Outcome]) -> None:
        if task.cancelled():
            self.finish((self._end_of_work(), None))
        else:
            self.finish(task.result())

    def cancel(self, *, by_close: bool = False) -> None:
        """End the work; work that has not begun never will."""
        if self.done:
            return
        self._is_cancelled = True
        self._by_close = self._by_close or by_close
        if self.task is not None:
            self.task.cancel()
        else:
            self.finish((self._end_of_work(), None))

    def finish(self, outcome: Outcome) -> None:
        """Send the outcome to the caller."""
        if not self.done:
            self.done = True
            if self.task is None or self.task.done():  # its first step may never have come
                self._coroutine.close()
            self.task = None
            self._calls.discard(self)
            self._mailbox.put(outcome)

    def _end_of_work(self) -> BaseException:
        if self._by_close:
            return ClosedError("the client was closed while this call was under way")
        error, self._cancellation = self._cancellation, None
        return error or asyncio.CancelledError()

    async def ask(self, function: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        """Have a function called by the waiting caller, and give what it returns or raises."""
        if self.done or self._is_cancelled:
            raise asyncio.CancelledError  # nobody waits there any more
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()
        self._mailbox.put(functools.partial(_reply, loop, answer, functools.partial(function, *args, **kwargs)))
        error, value = await answer
        try:
            if error is not None:
                raise error
        finally:
            del error, answer  # else the traceback would hold the error that holds it
        return value


_CURRENT: contextvars.ContextVar[Call] = contextvars.ContextVar("syncso_call")


def deliver(function: Callable[P, object] | None) -> Callable[P, Awaitable[object]] | None:
    """Make a caller's function awaitable for the core: it is called in the thread that waits for the call."""
    if function is None:
        return None

    async def delivered(*args: P.args, **kwargs: P.kwargs) -> object:
        return await _CURRENT.get().ask(function, *args, **kwargs)

    return delivered


def _reply(
    loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Outcome], function: Callable[[], object]
) -> None:
    """Call a caller's function and send back what came of it."""
    outcome = _outcome_of(function)
    with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, by the function perhaps
        loop.call_soon_threadsafe(_settle, answer, outcome)


def _outcome_of(function: Callable[[], object]) -> Outcome:
    # what is not an Exception is meant to end the program: it passes, and ends the call on its way
    try:
        return None, _checked_plain(function())
    except Exception as error:  # noqa: BLE001  # the core must see it, as it would in async code
        return _without_first_frame(error), None


def _checked_plain(value: object) -> object:
    if asyncio.iscoroutine(value):
        value.close()
        name = getattr(value, "__qualname__", repr(value))
        raise TypeError(f"{name} is a coroutine function; the blocking client takes plain functions")
    return value


def _settle(answer: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not answer.done():
        answer.set_result(outcome)


def _without_first_frame(error: BaseException) -> BaseException:
    """Drop the frame that caught an error from its traceback: it is ours, and tells the reader nothing."""
    first = error.__traceback__
    return error.with_traceback(None if first is None else first.tb_next)
