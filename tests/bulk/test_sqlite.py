"""The ledger's file: what it promises when things go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sync_async
from sync_async import ArgumentError
from sync_async._errors import ClosedError
from sync_async.bulk import errors, sqlite, sqlite_schema
from sync_async.bulk.errors import (
    DamagedLedgerError,
    ForeignLedgerError,
    LedgerError,
    LedgerFullError,
    LedgerIOError,
    LedgerLockedError,
    LedgerVersionError,
    ManifestChangedError,
    NetworkFileSystemError,
    StateConflictError,
)
from sync_async.bulk.ledger import CLAIM_ROWS
from sync_async.bulk.records import Asset, Change, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger, ledger_file
from sync_async.bulk.sqlite_reader import LedgerReader
from sync_async.bulk.sqlite_rows import COLUMNS, recount
from sync_async.bulk.sqlite_writer import MOST_OPERATIONS, GroupWriter
from sync_async.bulk.states import State

ROOT = Path(__file__).parents[2]


def row(number: int, **fields: Any) -> NewItem:
    payload = number.to_bytes(16, "little")
    return NewItem(**{"item_id": f"row-{number}", "body": b"{}", "payload_sha": payload, "est_micro": 7, **fields})


def rows(count: int) -> Iterator[NewItem]:
    return (row(number) for number in range(count))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteLedger]:
    """A ledger with an empty run."""
    async with SqliteLedger(tmp_path) as made:
        await made.create_run(RunSpec(run_id="the-run"))
        yield made


def writing(ledger: SqliteLedger) -> sqlite3.Connection:
    assert ledger._writer is not None
    return ledger._writer._connection


async def setting(ledger: SqliteLedger, name: str) -> Any:
    assert ledger._writer is not None
    return await ledger._writer.write(lambda tx: tx.connection.execute(f"PRAGMA {name}").fetchone()[0])


# --- settings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("busy_timeout", 30_000),
        ("temp_store", 2),
        ("cache_size", -32768),
        ("mmap_size", 0),
        ("application_id", 0x73426C6B),
        ("user_version", 1),
    ],
)
async def test_the_file_is_kept_as_safe_as_sqlite_can(ledger: SqliteLedger, name: str, value: object) -> None:
    """With synchronous=FULL, SQLite waits for the disk at each commit (https://sqlite.org/pragma.html)."""
    assert await setting(ledger, name) == value


async def test_a_setting_that_sqlite_does_not_take_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_schema, "SETTINGS", (("synchronous", "FULL", 3),))
    with pytest.raises(LedgerIOError, match="keeps synchronous at 2"):
        await SqliteLedger(tmp_path).create_run(RunSpec())


async def test_pages_and_claims_go_along_an_index(ledger: SqliteLedger) -> None:
    """Without, each page of a million rows would sort them all."""
    await ledger.ingest(rows(3))
    asked: list[str] = []
    connection = writing(ledger)
    connection.set_trace_callback(asked.append)
    await ledger.claim(1, 1)
    connection.set_trace_callback(None)
    reader = sqlite_schema.open_for_reading(ledger.path)
    reader.set_trace_callback(asked.append)
    for state in (State.NEW, State.READY, State.SUBMITTING):
        first = (await ledger.live([State.SUBMITTING]))[0]
        import attrs

        from sync_async.bulk.sqlite_rows import live_page

        live_page(ledger.path, reader, [state], None, 5)
        live_page(ledger.path, reader, [state], attrs.evolve(first, state=state), 5)
    reader.set_trace_callback(None)
    selects = [query for query in asked if query.lstrip().startswith("SELECT")]
    assert len(selects) >= 10
    for query in selects:
        plan = " ".join(step[3] for step in reader.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "INDEX" in plan, query
        assert "TEMP B-TREE" not in plan, query
    reader.close()


# --- group commit -----------------------------------------------------------------------------------------


class Gate:
    """Stops the ledger's thread before each COMMIT until it is let through."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.arrived = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.commits = 0

    def execute(self, query: str, *values: Any) -> Any:
        if query == "COMMIT":
            self.arrived.release()
            self.open.acquire()
            self.commits += 1
        return self._connection.execute(query, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.fixture
def gate(ledger: SqliteLedger) -> Gate:
    assert ledger._writer is not None
    made = Gate(ledger._writer._connection)
    ledger._writer._connection = made  # type: ignore[assignment]
    return made


async def test_nobody_goes_on_before_the_commit(ledger: SqliteLedger, gate: Gate) -> None:
    """A row that was claimed may be sent; it must not be forgotten by then."""
    write = asyncio.ensure_future(ledger.kv("a", 1))
    assert await asyncio.to_thread(gate.arrived.acquire, timeout=10)
    await asyncio.sleep(0.05)
    assert not write.done()
    async with LedgerReader(ledger.path) as reader:
        assert await reader.kv("a") is None
        gate.open.release()
        await write
        assert await reader.kv("a") == 1


async def test_what_comes_while_the_disk_is_waited_for_shares_the_next_commit(
    ledger: SqliteLedger, gate: Gate
) -> None:
    first = asyncio.ensure_future(ledger.kv("first", 0))
    assert await asyncio.to_thread(gate.arrived.acquire, timeout=10)
    others = asyncio.gather(*(ledger.kv(f"k{number}", number) for number in range(MOST_OPERATIONS + 1)))
    await asyncio.sleep(0)
    gate.open.release(3)
    await asyncio.gather(first, others)
    assert gate.commits == 3


async def test_one_that_is_refused_harms_nobody_in_its_commit(ledger: SqliteLedger, gate: Gate) -> None:
    await_first = asyncio.ensure_future(ledger.kv("first", 0))
    assert await asyncio.to_thread(gate.arrived.acquire, timeout=10)
    bad = Change(seq=99, source=State.NEW, target=State.CANCELLED, values={"finished_us": 1})
    together = asyncio.gather(ledger.kv("a", 1), ledger.mark([bad]), ledger.kv("b", 2), return_exceptions=True)
    await asyncio.sleep(0)
    gate.open.release(10)
    outcomes = await together
    await await_first
    assert outcomes[0] == 1
    assert isinstance(outcomes[1], StateConflictError)
    assert outcomes[2] == 2
    assert [await ledger.kv(key) for key in "ab"] == [1, 2]


async def test_a_caller_that_is_cancelled_does_not_undo_what_it_has_asked_for(
    ledger: SqliteLedger, gate: Gate
) -> None:
    """Else the id of a paid job might be lost."""
    write = asyncio.ensure_future(ledger.kv("a", 1))
    assert await asyncio.to_thread(gate.arrived.acquire, timeout=10)
    write.cancel()
    gate.open.release(10)
    await ledger.kv("b", 2)
    assert write.cancelled()
    assert await ledger.kv("a") == 1


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from sync_async.bulk.records import Asset, Change, NewItem, RunSpec
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.states import State

async def main():
    ledger = SqliteLedger(Path(sys.argv[1]))
    await ledger.create_run(RunSpec(run_id="the-run"))
    await ledger.ingest([NewItem(item_id="a", body=b"{}", payload_sha=b"a" * 16)])
    claim = await ledger.claim(1, 5)
    print(claim.items[0].idem_key, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_what_was_told_is_there_after_a_kill(tmp_path: Path) -> None:
    """Also for readers, who find a log that nobody has put in order."""
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, cwd=ROOT
    )
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    async with LedgerReader(ledger_file(tmp_path)) as reader:
        [item] = await reader.live([State.SUBMITTING])
        assert item.idem_key == killed.stdout.strip()
    async with SqliteLedger(tmp_path) as ledger:
        run = await ledger.create_run(None)
        assert (run.run_id, run.epoch) == ("the-run", 2)
        [item] = await ledger.live([State.SUBMITTING])
        assert (item.idem_key, item.body, item.first_post_us) == (killed.stdout.strip(), b"{}", 5)


# --- beside each other ------------------------------------------------------------------------------------


async def test_a_reader_sees_whole_commits_beside_ten_thousand_of_them(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows that are written together are never seen apart."""
    monkeypatch.setattr("sync_async.bulk.sqlite_writer.PAUSE", 0.0)
    stop, seen = asyncio.Event(), set[int]()
    connection = writing(ledger)
    connection.execute("PRAGMA synchronous = OFF")  # so that the test is about the reader, not about the disk

    async def read() -> None:
        async with LedgerReader(ledger.path) as reader:
            while not stop.is_set():
                pair = await reader._read(lambda found: found.execute(both).fetchall())
                assert len({value for (value,) in pair}) <= 1
                seen.update(int(value) for (value,) in pair)

    both = "SELECT v FROM kv WHERE k IN ('left', 'right')"
    assert ledger._writer is not None
    reading = asyncio.ensure_future(read())
    for number in range(10_000):

        def write(tx: Any, number: int = number) -> None:
            for side in ("left", "right"):
                tx.connection.execute("REPLACE INTO kv VALUES (?, ?)", (side, str(number)))

        await ledger._writer.write(write)
    stop.set()
    await reading
    assert len(seen) > 10


async def test_a_reader_cannot_write(ledger: SqliteLedger) -> None:
    async with LedgerReader(ledger.path) as reader:
        for query in ("DELETE FROM run", "PRAGMA journal_mode = DELETE", "CREATE TABLE more (a)"):
            with pytest.raises(LedgerIOError):  # a change of mode fails at its lock, others as readonly
                await reader._read(lambda found, query=query: found.execute(query).fetchall())  # type: ignore[misc]
        mode = await reader._read(lambda found: found.execute("PRAGMA journal_mode").fetchone())
        assert mode == ("wal",)


async def test_a_reader_tells_what_the_writer_knows(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(50))
    await ledger.claim(5, 1)
    async with LedgerReader(ledger.path) as reader:
        assert await reader.counters() == await ledger.counters()
        run = await reader.run()
        assert run is not None
        assert run.run_id == "the-run"


@pytest.mark.parametrize("what", ["nothing", "an empty file"])
async def test_a_reader_without_a_run_says_so(tmp_path: Path, what: str) -> None:
    file = tmp_path / "ledger.db"
    if what != "nothing":
        file.touch()
    with pytest.raises(LedgerIOError, match="has a run been started|has not begun"):
        async with LedgerReader(file):
            pass


async def test_a_run_belongs_to_one_process(tmp_path: Path, ledger: SqliteLedger) -> None:
    """The other one is told who has it, and harms nothing."""
    code = """
        import asyncio, sys
        from pathlib import Path
        from sync_async.bulk.errors import LedgerLockedError
        from sync_async.bulk.sqlite import SqliteLedger
        try:
            asyncio.run(SqliteLedger(Path(sys.argv[1])).create_run(None))
        except LedgerLockedError as error:
            print(error.pid, error)
    """
    other = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert other.stderr == ""
    assert other.stdout.startswith(f"{os.getpid()} ")
    assert f"process {os.getpid()} on " in other.stdout
    with pytest.raises(LedgerLockedError):
        await SqliteLedger(tmp_path).create_run(None)
    assert await ledger.kv("a", 1) == 1


async def test_two_directories_cannot_share_one_file(tmp_path: Path) -> None:
    file = tmp_path / "local.db"
    async with SqliteLedger(tmp_path / "a", ledger=file) as first:
        await first.create_run(RunSpec())
        with pytest.raises(LedgerLockedError):
            await SqliteLedger(tmp_path / "b", ledger=file).create_run(None)


async def test_a_closed_run_can_be_opened_again_at_once(tmp_path: Path) -> None:
    for epoch in (1, 2, 3):
        async with SqliteLedger(tmp_path) as ledger:
            assert (await ledger.create_run(RunSpec(run_id="r"))).epoch == epoch
    with pytest.raises(ClosedError):
        await ledger.kv("a", 1)
    assert not list((tmp_path / ".syncso").glob("*-wal"))


async def test_a_caller_that_gives_up_while_it_is_opened_leaves_the_run_free(tmp_path: Path) -> None:
    ledger = SqliteLedger(tmp_path)
    opening = asyncio.ensure_future(ledger.create_run(RunSpec()))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for _ in range(200):
        try:
            async with SqliteLedger(tmp_path) as other:
                await other.create_run(RunSpec())
            break
        except LedgerLockedError:
            await asyncio.sleep(0.01)
    else:
        pytest.fail("it is still held")


# --- files that are not as they should be -----------------------------------------------------------------


async def opened(output: Path) -> None:
    async with SqliteLedger(output) as ledger:
        await ledger.create_run(RunSpec())


def broken(output: Path, spoil: Callable[[Path], None]) -> Path:
    file = ledger_file(output)
    file.parent.mkdir(parents=True, exist_ok=True)
    spoil(file)
    return file


def foreign_database(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (a)")
    connection.close()


@pytest.mark.parametrize("spoil", [foreign_database, lambda file: file.write_bytes(b"their notes\n" * 500)])
async def test_the_file_of_another_program_is_left_as_it_is(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    file = broken(tmp_path, spoil)
    before = file.read_bytes()
    with pytest.raises(ForeignLedgerError, match="another output directory"):
        await opened(tmp_path)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir() if path.name != "lock"] == ["ledger.db"]


async def test_the_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    await opened(tmp_path)
    file = ledger_file(tmp_path)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(LedgerVersionError, match="pip install -U syncso") as caught:
        await opened(tmp_path)
    assert caught.value.version == 99
    assert file.read_bytes() == before


@pytest.mark.parametrize("begun", ["empty", "without tables"])
async def test_a_file_whose_making_was_cut_short_is_made_anew(tmp_path: Path, begun: str) -> None:
    def half(file: Path) -> None:
        file.touch()
        if begun != "empty":
            connection = sqlite3.connect(file)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.close()

    broken(tmp_path, half)
    await opened(tmp_path)
    async with LedgerReader(ledger_file(tmp_path)) as reader:
        assert await reader.run() is not None


@pytest.mark.parametrize("kept", [100, 4096, 8192, 0.5, 0.99])
async def test_a_file_that_was_cut_is_told(tmp_path: Path, kept: float) -> None:
    """Nothing is bought on the ground of half a ledger."""
    async with SqliteLedger(tmp_path) as ledger:
        await ledger.create_run(RunSpec())
        await ledger.ingest(rows(2000))
    file = ledger_file(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[: kept if kept > 1 else int(len(whole) * kept) // 4096 * 4096])  # type: ignore[misc]
    with pytest.raises((DamagedLedgerError, ForeignLedgerError)):
        await opened(tmp_path)


async def test_a_body_that_was_written_over_is_not_sent(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(1))
    writing(ledger).execute("UPDATE item SET body = x'7b20'")
    with pytest.raises(DamagedLedgerError, match="row-0"):
        await ledger.claim(1, 1)


async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "network_kind", lambda path: "nfs4")
    with pytest.raises(NetworkFileSystemError, match="--ledger PATH") as caught:
        await opened(tmp_path)
    assert caught.value.kind == "nfs4"


async def test_a_full_disk_is_told_and_ends_all_claims(ledger: SqliteLedger) -> None:
    """What was written before stays; what becomes of running jobs is written where it fits."""
    await ledger.ingest(rows(10))
    claimed = (await ledger.claim(1, 1)).items[0]
    pages = await setting(ledger, "page_count")
    await setting(ledger, f"max_page_count = {pages + 1}")
    with pytest.raises(LedgerFullError, match="make room, then resume"):
        await ledger.ingest(row(number, body=bytes(1000)) for number in range(100, 200))
    with pytest.raises(LedgerFullError):
        await ledger.claim(1, 1)
    values: dict[str, Any] = {"job_id": "j", "submitted_us": 2}
    await ledger.mark([Change(seq=claimed.seq, source=State.SUBMITTING, target=State.SUBMITTED, values=values)])
    assert (await ledger.counters()).total == 10
    assert (await ledger.counters()).states[State.SUBMITTED] == 1


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerIOError, match="cannot be read or written"):
        await opened(tmp_path / "file" / "out")


async def test_there_is_no_run_to_resume(tmp_path: Path) -> None:
    """And looking for one makes no files."""
    with pytest.raises(ArgumentError, match="there is no run"):
        await SqliteLedger(tmp_path).create_run(None)
    assert not list(tmp_path.iterdir())


async def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    await opened(tmp_path)
    with pytest.raises(ArgumentError, match="holds the run"):
        async with SqliteLedger(tmp_path) as ledger:
            await ledger.create_run(RunSpec(run_id="another"))


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "ü"])
async def test_a_run_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="run_id"):
        async with SqliteLedger(tmp_path) as ledger:
            await ledger.create_run(RunSpec(run_id=name))


# --- rows -------------------------------------------------------------------------------------------------


async def test_many_rows_come_in_and_are_known_the_next_time(ledger: SqliteLedger) -> None:
    report = await ledger.ingest(rows(25_000))
    assert (report.added, report.known) == (25_000, 0)
    again = await ledger.ingest(rows(25_001))
    assert (again.added, again.known) == (1, 25_000)
    assert (await ledger.counters()).states[State.READY] == 25_001


async def test_rows_may_come_from_an_async_source(ledger: SqliteLedger) -> None:
    async def source() -> AsyncIterator[list[NewItem]]:
        for number in range(10_001):
            yield [row(number)]

    assert (await ledger.ingest(source())).added == 10_001


@pytest.mark.parametrize("far", [1, 10_000])
@pytest.mark.parametrize("before", [0, 1])
async def test_a_name_that_stands_twice_is_told(ledger: SqliteLedger, far: int, before: int) -> None:
    await ledger.ingest(row(number + 50_000) for number in range(before))
    with pytest.raises(ArgumentError, match="'row-0' stands twice"):
        await ledger.ingest([*rows(far), row(0, payload_sha=b"x" * 16)])


async def test_a_row_that_was_sent_cannot_change(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(2))
    await ledger.claim(1, 1)
    with pytest.raises(ManifestChangedError, match="'row-0' as submitting") as caught:
        await ledger.ingest([row(1, payload_sha=b"y" * 16), row(0, payload_sha=b"x" * 16)])
    assert (caught.value.item_id, caught.value.state) == ("row-0", "submitting")
    assert (await ledger.ingest(rows(2))).known == 2


async def test_doubles_far_apart_are_found_and_only_if_wanted(tmp_path: Path) -> None:
    def doubled() -> Iterator[NewItem]:
        return (row(number, payload_sha=(number % 11_000).to_bytes(16, "little")) for number in range(22_000))

    for dedupe, ready in ((True, 11_000), (False, 22_000)):
        async with SqliteLedger(tmp_path / str(dedupe)) as ledger:
            await ledger.create_run(RunSpec())
            report = await ledger.ingest(doubled(), dedupe=dedupe)
            assert report.doubled == 22_000 - ready
            counters = await ledger.counters()
            assert (counters.states[State.READY], counters.money.saved) == (ready, (22_000 - ready) * 7)


async def test_a_claim_takes_few_rows_and_the_most_urgent_ones(ledger: SqliteLedger) -> None:
    await ledger.ingest(row(number, prio=number % 3) for number in range(100))
    claimed = (await ledger.claim(1000, 1)).items
    assert len(claimed) == CLAIM_ROWS
    assert {int(item.item_id[4:]) % 3 for item in claimed} == {2}


async def test_a_job_belongs_to_one_row(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(2))
    changes = [
        Change(
            seq=item.seq,
            source=State.SUBMITTING,
            target=State.SUBMITTED,
            values={"job_id": "the same", "submitted_us": 2},
        )
        for item in (await ledger.claim(2, 1)).items
    ]
    with pytest.raises(StateConflictError, match="please report"):
        await ledger.mark(changes)
    assert (await ledger.counters()).states[State.SUBMITTING] == 2


async def test_an_earlier_purchase_of_a_row_is_not_forgotten(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(1))
    await ledger.claim(1, 1)
    ended = {"finished_us": 3, "error_code": "no_face", "cost_micro": 4}
    for source, target, values in (
        (State.SUBMITTING, State.SUBMITTED, {"job_id": "j-1", "submitted_us": 2}),
        (State.SUBMITTED, State.FAILED, ended),
        (State.FAILED, State.READY, {}),
    ):
        await ledger.mark([Change(seq=1, source=source, target=target, values=values)])
    kind, detail = writing(ledger).execute("SELECT kind, detail FROM event").fetchone()
    assert kind == "generation"
    assert json.loads(detail) == {
        "generation_no": 1,
        "job_id": "j-1",
        "error_code": "no_face",
        "cost_micro": 4,
    }
    [item] = await ledger.live([State.READY])
    assert (item.generation_no, item.job_id, item.past_micro, item.cost_micro) == (2, None, 4, None)
    [again] = (await ledger.claim(1, 5)).items
    assert again.first_post_us == 5


async def test_results_come_as_they_ended_or_as_they_were_given(ledger: SqliteLedger) -> None:
    """A double has the result of the row that was bought."""
    await ledger.ingest([row(0), row(1), row(2, payload_sha=bytes(16))])
    await ledger.claim(2, 1)
    for seq in (2, 1):
        values: dict[str, Any] = {"job_id": f"j{seq}", "submitted_us": 1}
        done = {"finished_us": 10 - seq}
        await ledger.mark(
            [
                Change(seq=seq, source=State.SUBMITTING, target=State.SUBMITTED, values=values),
                Change(seq=seq, source=State.SUBMITTED, target=State.REMOTE_DONE, values=done),
            ]
        )
    found = [(result.item.item_id, result.leader.job_id) async for result in ledger.results()]
    assert found == [("row-1", "j2"), ("row-0", "j1"), ("row-2", "j1")]
    given = [result.item.item_id async for result in ledger.results("input")]
    assert given == ["row-0", "row-1", "row-2"]


async def test_counting_anew_gives_what_was_kept_in_memory(ledger: SqliteLedger) -> None:
    await ledger.ingest(
        [*rows(40), *(row(n + 100, payload_sha=bytes(16)) for n in range(3)), row(200, est_micro=None)]
    )
    await ledger.claim(32, 1)
    await ledger.claim(32, 1)
    assert recount(ledger.path, writing(ledger)) == await ledger.counters()
    assert (await ledger.counters()).money.unpriced_running == 1


def test_errors_survive_pickling() -> None:
    made = [
        LedgerLockedError("p", pid=1, host="h", started="s"),
        LedgerVersionError("p", 2, 1),
        ForeignLedgerError("p"),
        DamagedLedgerError("p", "cut"),
        NetworkFileSystemError("p", "nfs"),
        LedgerFullError("p"),
        LedgerIOError("p", "no", "SQLITE_IOERR"),
        ManifestChangedError("p", "a", "done", "j"),
        StateConflictError("p", "no way"),
    ]
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LedgerError)}
    assert kinds == {LedgerError, *map(type, made)}
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
        assert "'p'" in str(error)


def test_the_writer_is_the_only_one_that_opens_the_file_for_writing() -> None:
    """In versions before 3.51.3 two writing connections can spoil a file (https://sqlite.org/wal.html)."""
    package = Path(sync_async.__file__).parent
    users = [path.name for path in package.rglob("*.py") if "open_for_writing(" in path.read_text("utf-8")]
    assert sorted(users) == ["sqlite.py", "sqlite_schema.py"]
    assert COLUMNS
    assert GroupWriter


async def test_what_came_to_pass_is_kept_in_its_order(ledger: SqliteLedger) -> None:
    await ledger.ingest(rows(1))
    await asyncio.gather(*(ledger.note("minute", {"number": number}) for number in range(1_500)))
    await ledger.note("other", {}, seq=1)
    assert [event.detail["number"] async for event in ledger.events("minute")] == list(range(1_500))
    assert [event.seq async for event in ledger.events("other")] == [1]


async def test_a_file_that_was_sent_is_known_by_its_content(ledger: SqliteLedger) -> None:
    assert await ledger.asset("ab.mp4") is None
    for url in ("https://one", "https://two"):
        asset = Asset(content_sha="ab.mp4", bytes=3, mime="video/mp4", url=url, uploaded_us=7)
        await ledger.keep_asset(asset)
        assert await ledger.asset("ab.mp4") == asset
