"""The private event loop: one loop in one daemon thread per process, on which blocking calls run.

The thread starts with the first call and ends with the last open client. A forked child starts its own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from sync_async._errors import ClosedError, SyncError
from sync_blocking._caller import is_too_late, name_of, warn_of_standstill
from sync_blocking._calls import Call, Owner, Underway, deliver

__all__ = ["Closable", "Portal", "deliver"]

T = TypeVar("T")

log = logging.getLogger("syncso")

CLOSE_BOUND = 2.0
"""Seconds that closing a client gives to its calls, and again to its connections."""
JOIN_BOUND = 5.0
"""Seconds that the last close waits for the thread."""
SLOW = 1.0
"""Seconds of one step on the loop that asyncio's debug mode speaks of."""
EXIT_BOUND = 0.4
"""The same as `CLOSE_BOUND` when the program ends with clients open."""

CLOSED = "this client is closed; make a new one"
ENDING = "the program is ending, and no request can be sent any more; send it before the interpreter shuts down"


class Closable(Protocol):
    """What the loop needs of the client behind a portal."""

    async def close(self) -> None:
        """Close the client's connections."""


class _Lease(Owner):
    """A client's claim on the loop; it knows nothing of the portal, so that a forgotten one is collected."""

    __slots__ = ("client", "runner")

    def __init__(self, client: Closable) -> None:
        super().__init__()
        self.client = client
        self.runner: _Runner | None = None


class _Runner:
    """A loop and its thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop: asyncio.AbstractEventLoop
        self.calls = Underway()
        self.leases: set[_Lease] = set()
        self.is_ending = False
        self.is_stopped = False
        self.cause_of_death: BaseException | None = None
        self._is_ready = threading.Event()
        self._left: tuple[Any, ...] = ()
        # a thread that inherited its starter's context, as newer ones do, would keep it alive
        context: dict[str, Any] = {"context": contextvars.Context()} if sys.version_info >= (3, 14) else {}
        self.thread = threading.Thread(target=self._main, name="syncso event loop", daemon=True, **context)

    def start(self) -> None:
        """Start the thread, and wait until it has a loop.

        Raises:
            SyncError: There can be no more threads or files.
        """
        try:
            self.thread.start()
            self._is_ready.wait()
        except RuntimeError as error:
            raise SyncError(f"the thread for blocking calls does not start: {error}") from error
        except BaseException:  # Ctrl-C: the thread may run all the same
            self.is_stopped = True
            if self.is_ready():
                self.post(self._stop)
            raise
        if self.cause_of_death is not None:
            raise self._end_of_all()

    def is_ready(self) -> bool:
        """Tell whether the thread has got as far as having a loop."""
        return self._is_ready.is_set()

    def is_here(self) -> bool:
        """Tell whether this is the loop's thread; asking asyncio instead would be fooled by gevent."""
        return self.thread.ident == threading.get_ident()

    def is_of_this_process(self) -> bool:
        """Tell whether the loop was not inherited through a fork."""
        return self.pid == os.getpid()

    def hand_over(self, call: Call) -> None:
        """Begin a call.

        Raises:
            SyncError: The loop has ended.
        """
        try:
            call.post(self.loop, self.calls)
        except RuntimeError:
            call.finish((self._end_of_all(), None))
            raise self._end_of_all() from self.cause_of_death

    def post(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function on the loop if there still is one; takes no lock and does not wait."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(function, *arguments)

    def post_work(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Post work that nobody waits for."""
        self.post(lambda: self.hand_over(Call(work(*arguments), _NOBODY)))

    def _main(self) -> None:
        try:
            # made here, where no Ctrl-C strikes and no caller's context is kept
            with contextlib.closing(asyncio.new_event_loop()) as self.loop:
                # the first call loads and builds; in asyncio's debug mode that is no news to the user
                self.loop.slow_callback_duration = SLOW
                self._is_ready.set()
                while not self.is_stopped:
                    self._run_loop()
                self.loop.run_until_complete(self._wind_up())
        except BaseException as error:
            self.cause_of_death = error
            log.exception("the private event loop died")
        finally:
            self.is_stopped = True
            _living.discard(self)
            self._is_ready.set()
            for call in tuple(self.calls):
                call.finish((self._end_of_all(), None))

    def _run_loop(self) -> None:
        try:
            self.loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            # from a child task or a callback of the loop; a caller who waits for it gets it from there
            log.warning("%s was raised on the private event loop, which goes on", type(error).__name__)

    def _stop(self) -> None:
        self.is_stopped = True
        self.loop.stop()

    def _end_of_all(self) -> SyncError:
        if self.cause_of_death is None:
            return ClosedError(CLOSED)
        error = SyncError(f"the private event loop died of {self.cause_of_death!r}; make a new client")
        error.__cause__ = self.cause_of_death
        return error

    def leave_to_parent(self) -> None:
        """Listen to nothing in a forked child: under gevent the thread is a greenlet, which lives on there."""
        selector: Any = getattr(self.loop, "_selector", None) if self.is_ready() else None
        if type(selector).__module__.startswith("gevent."):  # it would take what is sent to the parent's
            self._left = tuple(selector.get_map().values())  # kept, since sockets that are let go of complain
            for key in self._left:
                selector.unregister(key.fileobj)

    async def shut(self, lease: _Lease) -> None:
        """Close a client; with the last one goes the thread."""
        try:
            await self._close(lease, CLOSE_BOUND)
        finally:
            self._release([lease])

    async def forget(self, lease: _Lease) -> None:
        """Close a client on whose closing nobody waits."""
        try:
            await self.shut(lease)
        except Exception:
            log.exception("a client that was left open did not close")

    async def shut_all(self) -> None:
        """Close all clients, in a hurry."""
        leases = tuple(self.leases)
        await asyncio.gather(*(self._close(lease, EXIT_BOUND) for lease in leases), return_exceptions=True)
        self._release(leases)

    def _release(self, leases: Iterable[_Lease]) -> None:
        if _release(self, leases):
            self.loop.call_soon(self._stop)

    async def _close(self, lease: _Lease, bound: float) -> None:
        lease.closed = True
        await self._cancel_calls(lease, bound)
        await _within(bound, lease.client.close(), "connections")

    async def _cancel_calls(self, lease: _Lease, bound: float) -> None:
        under_way = [call for call in tuple(self.calls) if call.owner is lease]
        tasks = [call.task for call in under_way if call.task is not None]
        for call in under_way:
            call.cancel(by_close=True)
        if tasks:
            await asyncio.wait(tasks, timeout=bound)

    async def _wind_up(self) -> None:
        """End what the clients have left, as the loop's very last work."""
        bound = EXIT_BOUND if _is_exiting else CLOSE_BOUND
        self.calls.is_over = True  # the end of the program may post work at this very moment
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=bound)
        await _within(bound, self.loop.shutdown_asyncgens(), "generators")
        if not _is_exiting:  # at that stage it starts a thread that cannot be started
            await self.loop.shutdown_default_executor()


async def _within(bound: float, closing: Coroutine[Any, Any, None], what: str) -> None:
    try:
        async with asyncio.timeout(bound):
            await closing
    except TimeoutError:
        log.warning("a client's %s did not close within %g s", what, bound)


class Portal:
    """A blocking client's way to the private loop; its resources and its copies share it."""

    __slots__ = ("__weakref__", "_finalizer", "_lease")

    def __init__(self, client: Closable) -> None:
        self._lease = _Lease(client)
        self._finalizer = weakref.finalize(self, _drop, self._lease)
        self._finalizer.atexit = False  # `_at_exit` closes what is open then

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the private loop and wait for its outcome.

        Raises:
            ClosedError: The client is closed, or is closed meanwhile, or the program is ending.
            SyncError: This is the loop's own thread, which would wait for itself, or the loop died.
        """
        __tracebackhide__ = True
        call = Call(coroutine, self._lease)
        try:
            _admit(self._lease, coroutine).hand_over(call)
            error, value = call.attend()
        except BaseException:
            call.abandon()
            raise
        if error is None:
            return value  # type: ignore[no-any-return]  # the coroutine's own
        context = error.__context__
        try:
            raise error
        finally:
            if context is not None:  # raising puts the caller's own there
                error.__context__ = context
            # the traceback holds this frame, which must not hold the error
            del call, coroutine, error, value, context

    def close(self) -> None:
        """Close the client: its calls under way end with a ClosedError. Closing twice is fine."""
        runner = _claim_closing(self._lease)
        if runner is None:
            return
        if runner.is_here() or _is_inside():
            runner.post_work(runner.forget, self._lease)
            return
        call = Call(runner.shut(self._lease), _NOBODY)
        try:
            runner.hand_over(call)
            error, _ = call.attend()
        except ClosedError:  # ended meanwhile
            error = None
        except BaseException:  # Ctrl-C: what is left to close is closed when the client is collected
            call.abandon()
            raise
        self._finalizer.detach()
        if runner.is_ending:
            runner.thread.join(JOIN_BOUND)
        if error is not None:
            raise error


_NOBODY = Owner()

_lock = threading.RLock()
"""A signal handler or a `__del__` of the caller's may close a client while its thread is inside."""
_pid = os.getpid()
_current: _Runner | None = None
_living: set[_Runner] = set()
_is_exiting = False


def _is_inside() -> bool:
    """Tell whether this thread has the lock: a signal or the collector has struck, and the loop needs the lock."""
    return bool(_lock._is_owned())  # type: ignore[attr-defined]  # noqa: SLF001  # as Condition asks


def _admit(lease: _Lease, coroutine: Coroutine[Any, Any, Any]) -> _Runner:
    """Give the runner for a call, started when it is first needed, or refuse the call."""
    if lease.closed:
        raise ClosedError(CLOSED)
    if _is_exiting or is_too_late():
        raise ClosedError(ENDING)
    runner = lease.runner
    if runner is None or not runner.is_of_this_process():
        runner = _attach(lease)
    if runner.is_here():
        raise SyncError(
            f"{name_of(coroutine)}: a blocking call on the client's own event loop would wait for itself; await it"
        )
    warn_of_standstill(coroutine, runner.loop)
    return runner


def _attach(lease: _Lease) -> _Runner:
    """Enter a client's claim, and start the loop if there is none."""
    global _current  # noqa: PLW0603  # one loop per process is the point
    if _pid != os.getpid():  # forked past the hooks
        _begin_anew()
    with _lock:
        if lease.closed:
            raise ClosedError(CLOSED)
        if lease.runner is not None and lease.runner.is_of_this_process():
            return lease.runner  # another thread was first
        if _current is None or _current.is_stopped:
            _current = _start()
        _current.leases.add(lease)
        lease.runner = _current
        if lease.closed:  # by a signal handler, which may come while the loop starts
            _current.post_work(_current.forget, lease)
            raise ClosedError(CLOSED)
        return _current


def _start() -> _Runner:
    runner = _Runner()
    _living.add(runner)  # before it starts, since it takes itself out when it ends
    try:
        runner.start()
    except BaseException:
        _living.discard(runner)
        raise
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)
    return runner


def _release(runner: _Runner, leases: Iterable[_Lease]) -> bool:
    """Take claims back, and tell whether these were the last."""
    global _current  # noqa: PLW0603
    with _lock:
        runner.leases.difference_update(leases)
        if runner.leases or runner.is_ending:
            return False
        runner.is_ending = True
        if _current is runner:
            _current = None
        return True


def _claim_closing(lease: _Lease) -> _Runner | None:
    """Mark a client as closed, and give the runner that has something to close."""
    if _pid != os.getpid():
        _begin_anew()
    with _lock:
        was_closed, lease.closed = lease.closed, True
        runner = lease.runner
    if was_closed or runner is None or runner.is_stopped or not runner.is_of_this_process():
        return None
    return runner


def _drop(lease: _Lease) -> None:
    """Close a client that was forgotten: the collector comes in any thread, at any time, so only post."""
    lease.closed = True
    runner = lease.runner
    if runner is not None and runner.is_of_this_process():
        runner.post_work(runner.forget, lease)


def _at_exit() -> None:
    """Close what is still open, in a hurry, and start nothing."""
    global _is_exiting  # noqa: PLW0603
    _is_exiting = True
    for runner in [runner for runner in tuple(_living) if runner.is_ready()]:
        under_way = [call for call in tuple(runner.calls) if call.owner is not _NOBODY]
        runner.post_work(runner.shut_all)
        runner.thread.join(3 * EXIT_BOUND)
        _let_hear(under_way)


def _let_hear(calls: Iterable[Call]) -> None:
    """Give daemon threads the time to get their ClosedError, before they are frozen where they stand."""
    deadline = time.monotonic() + EXIT_BOUND
    while any(not call.is_heard for call in calls) and time.monotonic() < deadline:
        time.sleep(0.001)


def _begin_anew() -> None:
    """Leave all to the parent: in a forked child there is no thread, and the lock may be held for ever."""
    global _lock, _pid, _current  # noqa: PLW0603
    _lock = threading.RLock()
    _pid = os.getpid()
    _current = None
    for runner in tuple(_living):
        runner.leave_to_parent()
    _living.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
