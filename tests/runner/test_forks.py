"""A forked child starts its own loop and waits for nothing of the parent's."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork"),
]

CHILDREN = """
import warnings
warnings.simplefilter("ignore")  # newer versions warn of forks in threaded programs, which is the point here
from sync_blocking import _loop

def in_child(function, seconds=5):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(write)
    import select
    ready, _, _ = select.select([read], [], [], seconds)
    answer = os.read(read, 100).decode() if ready else "hung"
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(read)
    return answer

portal = Portal(Client())
"""


def test_a_child_calls_though_the_lock_was_held(run_script: Callable[..., list[str]]) -> None:
    """Of 30 children forked while another thread holds the start lock, none hangs; the parent goes on."""
    script = """
portal.run(give(1))
stop = threading.Event()
held = threading.Event()
lock = _loop._lock
def hold():
    with lock:
        held.set()
        stop.wait()
thread = threading.Thread(target=hold)
thread.start()
held.wait()
answers = {in_child(lambda: portal.run(give(2))) for _ in range(30)}
stop.set()
thread.join()
say(answers, portal.run(give(3)))
portal.close()
"""
    assert run_script(CHILDREN + script, seconds=25) == ["{'2'} 3"]


def test_a_child_forked_past_the_hooks_is_recognised(run_script: Callable[..., list[str]]) -> None:
    """The process id is compared at each call, for forks that run no hooks."""
    script = """
portal.run(give(1))
state = _loop._pid, _loop._current, _loop._lock
def child():
    _loop._pid, _loop._current, _loop._lock = state  # as if the hook had not run
    _loop._lock.acquire()
    return portal.run(give(2))
say(in_child(child), portal.run(give(3)))
portal.close()
"""
    assert run_script(CHILDREN + script) == ["2 3"]


def test_a_child_ends_in_silence(run_script: Callable[..., list[str]]) -> None:
    """An ordinary exit of the child closes nothing of the parent's, with a call under way or without."""
    script = """
started, go_on = threading.Event(), threading.Event()
async def work():
    started.set()
    while not go_on.is_set():
        await asyncio.sleep(0.01)
    return "finished"
thread = threading.Thread(target=lambda: say(portal.run(work())))
thread.start()
started.wait()
child = os.fork()
if child == 0:
    if len(sys.argv) > 1:
        portal.close()
    say(Portal(Client()).run(give("child")))
    sys.exit(0)
os.waitpid(child, 0)
go_on.set()
thread.join()
portal.close()
"""
    assert run_script(CHILDREN + script, "-X", "dev") == ["child", "finished"]
