"""The file of a ledger: its tables, its settings, and the check that it is one.

Anybody may read a ledger with SQLite's own tools, beside a run that goes on; nobody else may write it.

    run     the run, one row: its name, where the rows come from, its limits
    item    a row of the manifest each; `state` holds the words of `states.State`
    asset   uploads, by the SHA-256 of their content
    file    that SHA-256 by path, size, time of change and inode, so that a file is read once
    event   what came to pass and has no column: earlier purchases of a row, deliveries
    kv      what was learned, as JSON

Times are microseconds since 1970, amounts micro-dollars, `*_sha` the bytes of SHA-256 (`payload_sha` half of
them), `body` UTF-8 JSON. A file holds one run, so `run_id` stands in `run` alone: in each row and its indexes it
took 126 MB of a million rows, and an eighth of the time.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sync_async._errors import SyncError
from sync_async.bulk.errors import ForeignLedgerError, LedgerError, LedgerIOError, LedgerVersionError, told

APPLICATION_ID = 0x73426C6B
"""`sBlk`, at offset 68 of the file."""
OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""
BUSY_MS = 30_000
LARGEST_WAL = 64 * 1024**2
"""Bytes to which the log is cut when it has been emptied; a long reader makes it grow."""

LIVE = "state IN ('submitting', 'submitted', 'unknown', 'remote_done', 'downloading')"
"""What a query has to say literally, for the index of these rows to be used."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE run (
            run_id TEXT PRIMARY KEY, created_us INTEGER NOT NULL, manifest TEXT NOT NULL, manifest_sha TEXT,
            sdk_version TEXT NOT NULL, defaults_json TEXT NOT NULL, budget_micro INTEGER, state TEXT NOT NULL,
            epoch INTEGER NOT NULL
        ) STRICT""",
        """CREATE TABLE item (
            seq INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, prio INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL, due_us INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,
            generation_no INTEGER NOT NULL DEFAULT 1, idem_key TEXT, body BLOB NOT NULL, frozen INTEGER NOT NULL,
            body_sha BLOB, payload_sha BLOB NOT NULL, dedupe_of INTEGER REFERENCES item (seq), job_id TEXT,
            est_micro INTEGER, cost_micro INTEGER, past_micro INTEGER NOT NULL DEFAULT 0, predicted_s REAL,
            output_s REAL, first_post_us INTEGER, unclear_us INTEGER, submitted_us INTEGER, finished_us INTEGER,
            error_code TEXT, error TEXT, out_path TEXT, out_bytes INTEGER, out_sha TEXT, out_etag TEXT,
            lease_owner TEXT, lease_until_us INTEGER, rank INTEGER GENERATED ALWAYS AS (-prio) VIRTUAL
        ) STRICT""",
        # every index ends with seq by itself; rank, as one comparison cannot go down by prio and up by due_us
        "CREATE INDEX ready ON item (rank, due_us) WHERE state = 'ready'",
        "CREATE INDEX new ON item (rank, due_us) WHERE state = 'new'",
        f"CREATE INDEX live ON item (state, due_us) WHERE {LIVE}",
        "CREATE UNIQUE INDEX job ON item (job_id) WHERE job_id IS NOT NULL",
        "CREATE UNIQUE INDEX key ON item (idem_key) WHERE idem_key IS NOT NULL",
        "CREATE INDEX double ON item (dedupe_of) WHERE dedupe_of IS NOT NULL",
        """CREATE TABLE asset (
            content_sha TEXT PRIMARY KEY, bytes INTEGER NOT NULL, mime TEXT NOT NULL, url TEXT NOT NULL,
            uploaded_us INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE file (
            path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, inode INTEGER NOT NULL,
            content_sha TEXT NOT NULL, PRIMARY KEY (path, size, mtime_ns, inode)
        ) STRICT, WITHOUT ROWID""",
        """CREATE TABLE event (
            seq INTEGER PRIMARY KEY, us INTEGER NOT NULL, item_seq INTEGER REFERENCES item (seq),
            kind TEXT NOT NULL, detail TEXT NOT NULL
        ) STRICT""",
        "CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
)
"""What leads from each version of the tables to the next; the version is the number of steps taken."""

SETTINGS: tuple[tuple[str, str | int, str | int], ...] = (
    ("journal_mode", "WAL", "wal"),  # readers beside the writer
    ("synchronous", "FULL", 2),  # NORMAL may forget the last commits when power fails, that is, a purchase
    ("foreign_keys", "ON", 1),
    ("busy_timeout", BUSY_MS, BUSY_MS),
    ("temp_store", "MEMORY", 2),
    ("cache_size", -32768, -32768),  # KiB
    ("mmap_size", 0, 0),
    ("journal_size_limit", LARGEST_WAL, LARGEST_WAL),
)
"""Name, what is set, and what has to be read back."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open a ledger, or make one, as the only writer.

    Returns:
        A connection for any one thread at a time, which begins no transaction by itself.

    Raises:
        LedgerError: It cannot be used; the file is left as it was.
    """
    _check_sqlite()
    try:
        connection = _connect(path)
    except sqlite3.Error as error:
        raise told(path, error) from error
    try:
        found = _version(path, connection)
        _set(path, connection)
        _build(connection, found)
    except sqlite3.Error as error:
        connection.close()
        raise told(path, error) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a ledger that can be read beside its writer, and not be written.

    Raises:
        LedgerError: There is none, or it cannot be read.
    """
    _check_sqlite()
    if not path.is_file():
        raise LedgerIOError(path, "there is no such file; has a run been started here?")
    try:
        connection = _connect(path, read_only=True)
    except sqlite3.Error as error:
        raise told(path, error) from error
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        if _version(path, connection) == 0:
            raise LedgerIOError(path, "its run has not begun yet")
    except sqlite3.Error as error:
        connection.close()
        raise told(path, error) from error
    except LedgerError:
        connection.close()
        raise
    return connection


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,  # one thread at a time uses it, not always the same
        timeout=BUSY_MS / 1000,
        cached_statements=256,
    )


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise SyncError(f"this Python has SQLite {sqlite3.sqlite_version}; bulk runs need {needed} or newer")


def _version(path: Path, connection: sqlite3.Connection) -> int:
    """Read the version of the tables before anything is written; 0 for a file that is empty."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == 0 and version == 0 and tables == 0:  # none, or one whose first commit did not come to pass
        return 0
    if application != APPLICATION_ID:
        raise ForeignLedgerError(path)
    if version > len(STEPS):
        raise LedgerVersionError(path, version, len(STEPS))
    return version


def _set(path: Path, connection: sqlite3.Connection) -> None:
    for name, value, expected in SETTINGS:
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
        rows = connection.execute(f"PRAGMA {name}").fetchall()
        got = rows[0][0] if rows else expected  # a build without mmap tells nothing of its size
        if got != expected:
            raise LedgerIOError(path, f"SQLite keeps {name} at {got!r}, and {expected!r} is needed")


def _build(connection: sqlite3.Connection, found: int) -> None:
    """Take the steps that are missing, in one transaction."""
    if found == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    for step in STEPS[found:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(STEPS)}")
    connection.execute("COMMIT")
