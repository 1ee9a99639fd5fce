"""One client, many threads; and what a thread sees of its own call."""

from __future__ import annotations

from tests.process.conftest import Script


def test_32_threads_share_one_client(run: Script) -> None:
    """All of 3,200 answers are right, on one loop; the connections are no more than calls at once."""
    lines = run(
        """
        from concurrent.futures import ThreadPoolExecutor
        client = Sync()
        ids = [client.generations.create(model="lipsync-2", input=INPUT).id for _ in range(32)]
        barrier = threading.Barrier(32)
        def work(id):
            barrier.wait()
            return all(client.generations.get(id).id == id for _ in range(100))
        with ThreadPoolExecutor(32) as pool:
            say(all(pool.map(work, ids)))
        say([thread.name for thread in threading.enumerate() if thread is not threading.main_thread()])
        client.close()
        say(threading.active_count())
        """,
        development=False,  # in asyncio's debug mode so many calls take long
    )
    assert lines == ["True", "['syncso event loop']", "1"]


def test_threads_that_call_first_at_the_same_time_share_one_loop(run: Script) -> None:
    """Through a barrier, with a client of their own or a common one."""
    lines = run(
        """
        from concurrent.futures import ThreadPoolExecutor
        barrier = threading.Barrier(20)
        common = Sync()
        clients = [common] * 10 + [Sync() for _ in range(10)]
        def work(client):
            barrier.wait()
            return len(client.models.list())
        with ThreadPoolExecutor(20) as pool:
            say(set(pool.map(work, clients)))
        say([thread.name for thread in threading.enumerate() if thread is not threading.main_thread()])
        for client in clients:
            client.close()
        say(threading.active_count())
        """
    )
    assert lines == ["{5}", "['syncso event loop']", "1"]


def test_the_traceback_is_the_users_line_and_the_works(run: Script) -> None:
    """Two frames of the hop at most between them, and none of asyncio's or threading's."""
    lines = run(
        """
        import linecache, traceback
        def frames_of(call):
            try:
                call()
            except Exception as error:
                frames = traceback.extract_tb(error.__traceback__)
                return [(frame.filename.replace(os.sep, "/"), frame.name, frame.line) for frame in frames]
        client = Sync()
        def read():
            client.generations.get("no-such-id")
        def wait():
            client.generations.wait("no-such-id", timeout=5)
        def iterate():
            next(client.generations.wait_many(["no-such-id"], timeout=0.01))
        for call in (read, wait, iterate):
            (_, outer, _), (_, name, line), *frames = frames_of(call)
            say(outer, name, line)
            hop = [name for name, _, _ in frames if "sync_blocking" in name]
            say(len(hop) <= 2, "sync_async/" in frames[len(hop)][0])
            foreign = ("asyncio", "concurrent", "threading")
            say([name for name, _, _ in frames if any(word in name for word in foreign)])
        """,
        as_file=True,
    )
    assert lines == [
        'frames_of read client.generations.get("no-such-id")',
        "True True",
        "[]",
        'frames_of wait client.generations.wait("no-such-id", timeout=5)',
        "True True",
        "[]",
        'frames_of iterate next(client.generations.wait_many(["no-such-id"], timeout=0.01))',
        "True True",
        "[]",
    ]


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
