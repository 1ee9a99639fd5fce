"""The private event loop: one loop in one daemon thread per process, on which blocking calls run.

A call is one hop: its coroutine goes to the loop, the caller waits at a mailbox, and what arrives there is
either the outcome or a callback that wants to be run in the caller's own thread. Nothing of the caller's
program ever runs on the loop's thread, so a slow callback stalls nobody else.

The thread starts with the first call and ends with the last open client. After a fork the child starts anew.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import inspect
import logging
import os
import queue
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from sync_async import ClosedError, SyncError

T = TypeVar("T")

log = logging.getLogger("syncso")

CLEANUP_BOUND = 5.0
"""Seconds that an interrupted call may take to clean up before its interrupt goes on."""
CLOSE_BOUND = 2.0
"""Seconds that closing gives to what is still under way."""
JOIN_BOUND = 5.0


class Closable(Protocol):
    """What a portal needs of the client behind it."""

    async def close(self) -> None:
        """Close the client's connections."""


class _Call:
    """One coroutine on its way through the loop, and the mailbox at which its caller waits."""

    __slots__ = ("__weakref__", "by_close", "cancelled", "coroutine", "mailbox", "task")

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine: Coroutine[Any, Any, Any] | None = coroutine
        self.mailbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False
        self.by_close = False

    def start(self, runner: _Runner) -> None:
        """Begin on the loop, in the context of the caller."""
        self.task = runner.loop.create_task(self._work(runner))

    def cancel(self, *, by_close: bool = False) -> None:
        """End the work, on the loop; one that has not begun never will."""
        self.by_close = self.by_close or by_close
        if self.task is not None and self.coroutine is None:
            self.task.cancel()
        self.cancelled = True

    async def _work(self, runner: _Runner) -> None:
        # what escapes from a task as SystemExit or KeyboardInterrupt ends the loop, so all is caught here, in
        # the very task that runs the coroutine, and handed over as a value
        coroutine, self.coroutine = self.coroutine, None
        assert coroutine is not None  # noqa: S101  # started once
        _CURRENT.set(self)
        try:
            outcome: tuple[bool, Any] = (True, await (_refused(coroutine) if self.cancelled else coroutine))
        except BaseException as error:  # noqa: BLE001
            outcome = (False, error)
        runner.calls.discard(self)
        self.task = None
        self.mailbox.put(outcome)


async def _refused(coroutine: Coroutine[Any, Any, Any]) -> None:
    """End a call that was cancelled before it began."""
    coroutine.close()
    raise asyncio.CancelledError


_CURRENT: contextvars.ContextVar[_Call] = contextvars.ContextVar("syncso_call")


def deliver(function: Callable[..., object] | None) -> Callable[..., Coroutine[Any, Any, object]] | None:
    """Make a caller's function into one that the core may await: it runs in the thread of the waiting caller."""
    if function is None:
        return None

    async def delivered(*arguments: Any) -> object:
        answer: asyncio.Future[tuple[bool, Any]] = asyncio.get_running_loop().create_future()
        _CURRENT.get().mailbox.put((function, arguments, answer))
        succeeded, value = await answer
        if not succeeded:
            raise value
        return value

    return delivered


class _Runner:
    """A loop and its thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.calls: set[_Call] = set()
        self.users: set[_Client] = set()
        self.stopping = False
        self.death: BaseException | None = None
        settings: dict[str, Any] = {"target": self._main, "name": "syncso event loop", "daemon": True}
        if sys.version_info >= (3, 14):  # newer threads inherit the starter's context and would keep it alive
            settings["context"] = contextvars.Context()
        self.thread = threading.Thread(**settings)
        self.thread.start()

    def is_alive(self) -> bool:
        return not self.stopping and self.death is None and self.pid == os.getpid()

    def _main(self) -> None:
        try:
            while not self.stopping:
                self._run_loop()
            self.loop.run_until_complete(self._wind_up())
        except BaseException as error:
            self.death = error
            log.exception("the private event loop died")
        finally:
            self.stopping = True
            self.loop.close()
            for call in list(self.calls):
                call.mailbox.put((False, self._dead()))

    def _run_loop(self) -> None:
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            # raised in a child task or a callback; whoever waits for it gets it from there, and the loop goes on
            log.warning("%s was raised on the private event loop; it goes on", type(error).__name__)

    async def _wind_up(self) -> None:
        """End what is under way, close what is open, on the loop."""
        for call in list(self.calls):
            call.cancel(by_close=True)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=CLOSE_BOUND)
            for task in late:
                task.cancel()
        for user in list(self.users):
            await user.close_connections()
        await self.loop.shutdown_asyncgens()

    def stop(self) -> None:
        """End the loop; callable from any thread, returns at once."""
        if self.is_alive():
            self.stopping = True
            with contextlib.suppress(RuntimeError):  # closed already
                self.loop.call_soon_threadsafe(self.loop.stop)

    def submit(self, call: _Call) -> None:
        """Hand a call to the loop, in the caller's context."""
        self.calls.add(call)
        try:
            self.loop.call_soon_threadsafe(call.start, self)
        except RuntimeError:  # the loop is closed: it died, or this is the end of the program
            self.calls.discard(call)
            raise self._dead() from self.death

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Run a function on the loop, if there still is one."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(function, *arguments)

    def _dead(self) -> SyncError:
        if self.death is not None:
            return SyncError(f"the private event loop died ({self.death!r}); make a new client")
        return ClosedError("this client was closed, or the program is ending")


class _Client:
    """What the loop's side knows of one blocking client: nothing that would keep the client itself alive."""

    def __init__(self, client: Closable) -> None:
        self.client = client
        self.closed = False
        self.runner: _Runner | None = None
        self.calls: weakref.WeakSet[_Call] = weakref.WeakSet()

    async def close_connections(self) -> None:
        """Close the client's connections, within bounds."""
        self.closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_BOUND):
                await self.client.close()


class Portal:
    """A blocking client's way to the private loop; the client's resources and copies share it."""

    __slots__ = ("__weakref__", "_finalizer", "_state")

    def __init__(self, client: Closable) -> None:
        self._state = _Client(client)
        self._finalizer = weakref.finalize(self, _drop, self._state)
        self._finalizer.atexit = False  # the hook below closes what is still open then

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the private loop and wait for its outcome.

        Raises:
            ClosedError: The client is closed, or is closed meanwhile.
            SyncError: This is the loop's own thread, which would wait for itself.
        """
        __tracebackhide__ = True
        try:
            runner = _runner_of(self._state)
            if asyncio._get_running_loop() is not None:  # noqa: SLF001  # raises nothing
                _check_thread(runner, coroutine)
            call = _Call(coroutine)
            self._state.calls.add(call)
            runner.submit(call)
        except BaseException:
            coroutine.close()  # a coroutine that is refused must not complain of never having been awaited
            raise
        succeeded, value = _wait(call, runner)
        if succeeded:
            return value  # type: ignore[no-any-return]  # the coroutine's own
        try:
            raise _presented(value, call)
        finally:  # the traceback holds this frame; the frame must not hold the error
            del value, call, coroutine, self

    def close(self) -> None:
        """Close the client: calls under way get a ClosedError. Closing twice is fine."""
        state = self._state
        self._finalizer.detach()
        with _LOCK:
            runner, state.runner = state.runner, None
            was_closed, state.closed = state.closed, True
        if runner is None or was_closed or not runner.is_alive():
            return
        if threading.current_thread() is runner.thread:
            _release(runner, state)
            return
        for call in list(state.calls):
            runner.post(lambda call: call.cancel(by_close=True), call)
        closing = _Call(_close(state))
        with contextlib.suppress(SyncError):  # ended meanwhile: then it is closed
            runner.submit(closing)
            _wait(closing, runner)
        if _leave(runner, state):
            runner.thread.join(JOIN_BOUND)


def _wait(call: _Call, runner: _Runner) -> tuple[bool, Any]:
    """Wait at the mailbox, run the callbacks that arrive, and return the outcome."""
    __tracebackhide__ = True
    try:
        while True:
            message = _next_message(call)
            if len(message) == 2:  # noqa: PLR2004  # an outcome; a callback has three parts
                return message
            _run_callback(runner, *message)
    except BaseException:
        runner.post(call.cancel)
        with contextlib.suppress(queue.Empty):
            while len(call.mailbox.get(timeout=CLEANUP_BOUND)) != 2:  # noqa: PLR2004
                pass  # a callback that was on its way is not run any more
        raise


def _next_message(call: _Call) -> tuple[Any, ...]:
    if sys.platform != "win32":
        return call.mailbox.get()
    while True:  # an endless wait cannot be interrupted there
        with contextlib.suppress(queue.Empty):
            return call.mailbox.get(timeout=0.1)


def _run_callback(
    runner: _Runner, function: Callable[..., object], arguments: tuple[Any, ...], answer: asyncio.Future[Any]
) -> None:
    """Run a callback here and send its outcome back; what ends the program ends the call instead."""
    try:
        value = function(*arguments)
        if inspect.iscoroutine(value):
            value.close()
            name = getattr(function, "__name__", repr(function))
            msg = f"{name} is a coroutine function; the blocking client takes plain ones"
            raise TypeError(msg)  # noqa: TRY301  # the core must hear of it as of any other failure
    except Exception as error:  # noqa: BLE001  # the callback's error is the coroutine's to handle
        outcome: tuple[bool, Any] = (False, error)
    else:
        outcome = (True, value)
    runner.post(_answer, answer, outcome)


def _answer(answer: asyncio.Future[Any], outcome: tuple[bool, Any]) -> None:
    if not answer.done():
        answer.set_result(outcome)


def _presented(error: BaseException, call: _Call) -> BaseException:
    """Make the outcome of a call into what its caller shall see: no frame of ours at its beginning."""
    if isinstance(error, asyncio.CancelledError) and call.by_close:
        return ClosedError("the client was closed while this call was under way")
    traceback = error.__traceback__
    return error.with_traceback(traceback.tb_next if traceback is not None else None)


def _check_thread(runner: _Runner, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Refuse the loop's own thread; warn where a loop of the caller's stands still meanwhile."""
    name = getattr(coroutine, "__qualname__", "call")
    if threading.current_thread() is runner.thread:
        raise SyncError(
            f"{name}: a blocking call on the client's own loop would wait for itself; await it instead"
        )
    if "IPython" not in sys.modules:  # notebooks run in a loop that nobody else uses
        method = name.removeprefix("Async")
        warnings.warn(
            f"this blocking call holds up the event loop it is made in; in async code write "
            f"'async with AsyncSync() as client: await client…' ({method})",
            RuntimeWarning,
            stacklevel=4,
        )


_LOCK = threading.Lock()
_RUNNERS: weakref.WeakSet[_Runner] = weakref.WeakSet()
_current: _Runner | None = None


def _runner_of(state: _Client) -> _Runner:
    """Give the process's runner, started when it is first needed."""
    runner = state.runner
    if runner is not None and runner.is_alive() and not state.closed:
        return runner
    global _current  # noqa: PLW0603  # one loop per process is the point
    with _LOCK:
        if state.closed:
            msg = "this client is closed; make a new one"
            raise ClosedError(msg)
        if runner is not None and runner.death is not None:
            raise SyncError(f"the private event loop died ({runner.death!r}); make a new client") from runner.death
        if _current is None or not _current.is_alive():
            if not _RUNNERS:
                atexit.unregister(_at_exit)
                atexit.register(_at_exit)
            _current = _Runner()
            _RUNNERS.add(_current)
        _current.users.add(state)
        state.runner = _current
        return _current


async def _close(state: _Client) -> None:
    """Wait a little for the cancelled calls, then close the connections."""
    waiting = [call.task for call in list(state.calls) if call.task is not None]
    if waiting:
        await asyncio.wait(waiting, timeout=CLOSE_BOUND)
    await state.close_connections()


def _leave(runner: _Runner, state: _Client) -> bool:
    """Count a client out; the last one ends the thread."""
    with _LOCK:
        runner.users.discard(state)
        last = not runner.users
        if last:
            runner.stop()
    return last


def _drop(state: _Client) -> None:
    """Close a client that was forgotten: only post, since the collector may run in any thread, at any time."""
    runner = state.runner
    state.closed = True
    if runner is not None and runner.is_alive():
        runner.post(_release, runner, state)


def _release(runner: _Runner, state: _Client) -> None:
    """Close a client's connections from the loop's thread, and end the loop with the last of them."""
    closing = runner.loop.create_task(state.close_connections())
    _CLOSING.add(closing)
    closing.add_done_callback(_CLOSING.discard)
    closing.add_done_callback(lambda _: _leave(runner, state))


_CLOSING: set[asyncio.Task[None]] = set()
"""The loop itself holds its tasks weakly."""


def _at_exit() -> None:
    for runner in list(_RUNNERS):
        if runner.pid == os.getpid():
            runner.stop()
            runner.thread.join(JOIN_BOUND)


def _after_fork() -> None:
    """Begin anew in a forked child: the lock may be held by a thread that is not here."""
    global _LOCK, _current, _RUNNERS  # noqa: PLW0603
    _LOCK = threading.Lock()
    _RUNNERS = weakref.WeakSet()
    _current = None
    _CLOSING.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
