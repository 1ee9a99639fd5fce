"""One client, many threads; and what a thread sees of its own call."""

from __future__ import annotations

from tests.process.conftest import Script


def test_32_threads_share_one_client(run: Script) -> None:
    """All answers are right, on one loop."""
    lines = run(
        """
        from concurrent.futures import ThreadPoolExecutor
        client = Sync()
        ids = [client.generations.create(model="lipsync-2", input=INPUT).id for _ in range(32)]
        barrier = threading.Barrier(32)
        def work(id):
            barrier.wait()
            return all(client.generations.get(id).id == id for _ in range(40))
        with ThreadPoolExecutor(32) as pool:
            say(all(pool.map(work, ids)))
        say(sum("syncso" in thread.name for thread in threading.enumerate()))
        client.close()
        say(sum("syncso" in thread.name for thread in threading.enumerate()))
        """
    )
    assert lines == ["True", "1", "0"]


def test_the_traceback_is_the_users_line_and_the_works(run: Script) -> None:
    """Two frames of the hop at most between them, and none of asyncio's or threading's."""
    lines = run(
        """
        import traceback
        client = Sync()
        try:
            client.generations.get("no-such-id")
        except Exception as error:
            frames = [frame.filename.replace(os.sep, "/") for frame in traceback.extract_tb(error.__traceback__)]
        say(frames[0])
        say(sum("sync_blocking" in name for name in frames) <= 2, "sync_async/resources" in frames[3])
        say([name for name in frames if any(word in name for word in ("asyncio", "concurrent", "threading"))])
        """
    )
    assert lines == ["<string>", "True True", "[]"]


def test_context_variables_of_the_thread_reach_the_work(run: Script, sandbox: object) -> None:
    """As a key that is chosen by the request that a web server handles."""
    lines = run(
        """
        from contextvars import ContextVar
        key = ContextVar("key")
        asked = []
        def choose():
            asked.append(key.get())
            return key.get()
        client = Sync(api_key=choose)
        def call(name):
            key.set(name)
            client.models.list()
        threads = [threading.Thread(target=call, args=[f"sk-{n}"]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        say(sorted(asked))
        """
    )
    assert lines == ["['sk-0', 'sk-1', 'sk-2', 'sk-3']"]
