"""What can go wrong with the ledger of a run.

SyncError
├── ManifestError               rows have problems; `shown` has the first of them
└── LedgerError                 `path` names the file
    ├── LedgerLockedError       another process works on the run; `pid`, `host` and `started` tell which
    ├── LedgerVersionError      a newer version of this library has written it
    ├── ForeignLedgerError      the file belongs to another program
    ├── DamagedLedgerError      it is cut short, or was written over
    ├── NetworkFileSystemError  it lies where it cannot be safe
    ├── LedgerFullError         the disk is full
    ├── LedgerIOError           it cannot be read or written
    ├── ManifestChangedError    a row was changed after it was sent; `item_id` names it
    └── StateConflictError      a row is not where the program believes it to be; a mistake of the program
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sync_async._errors import SyncError

if TYPE_CHECKING:
    from sync_async.bulk.rows import Problem

TOLD_PROBLEMS = 5
"""Problems of a manifest that the error's text has."""


class ManifestError(SyncError):
    """Rows of a manifest have problems; nothing was taken in, and nothing bought.

    Attributes:
        shown: The first fifty problems, each with row, column and reason.
        problems: How many there are.
        problems_file: Where all of them stand, if they were written.
    """

    def __init__(
        self,
        shown: Sequence[Problem],
        problems: int,
        problems_file: Path | None,
        *,
        way_out: str | None = "skip_bad",
    ) -> None:
        self.shown, self.problems, self.problems_file = list(shown), problems, problems_file
        first = "".join(f"\n  {problem}" for problem in self.shown[:TOLD_PROBLEMS])
        more = f"\n  … and {problems - TOLD_PROBLEMS:,} more" if problems > TOLD_PROBLEMS else ""
        where = f" ({problems_file} has all of them)" if problems_file is not None else ""
        aside = "" if way_out is None else f", or let these rows be set aside with {way_out}"
        super().__init__(
            f"the manifest has {problems:,} problem{'s' * (problems != 1)}{where}; mend them{aside}:{first}{more}"
        )


class LedgerError(SyncError):
    """Something is wrong with the ledger of a run.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, path: str | os.PathLike[str], problem: str) -> None:
        self.path = os.fspath(path)
        super().__init__(f"{self.path!r} {problem}")


class LedgerLockedError(LedgerError):
    """Another process works on the run.

    Attributes:
        pid: Its number, or None when it has not told.
        host: The machine that it runs on.
        started: When it took the run, in ISO 8601.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, pid: int | None = None, host: str = "", started: str = ""
    ) -> None:
        self.pid, self.host, self.started = pid, host, started
        who = f"process {pid} on {host} since {started}" if pid is not None else "another process"
        super().__init__(
            path, f"is held by {who}, which works on this run; let it end, or stop it, and then resume"
        )


class LedgerVersionError(LedgerError):
    """A newer version of this library has written the ledger.

    Attributes:
        version: The version of its tables.
    """

    def __init__(self, path: str | os.PathLike[str], version: int, known: int) -> None:
        self.version = version
        super().__init__(
            path,
            f"has tables of version {version}, and this syncso knows versions up to {known}; "
            "resume the run with the syncso that began it, or a newer one: pip install -U syncso",
        )


class ForeignLedgerError(LedgerError):
    """The file belongs to another program; it was not touched."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "is not a ledger of syncso, and was left as it is; take another output directory")


class DamagedLedgerError(LedgerError):
    """The ledger was cut short or written over."""

    def __init__(self, path: str | os.PathLike[str], problem: str) -> None:
        super().__init__(
            path,
            f"is damaged ({problem}); restore it, with the files of the same name and -wal, from a backup. A new "
            "run would buy again what this one has bought: --run-id with the old id makes the server know it",
        )


class NetworkFileSystemError(LedgerError):
    """The ledger lies on a network file system, where several machines could spoil it.

    Attributes:
        kind: The file system, as in `nfs4`.
    """

    def __init__(self, path: str | os.PathLike[str], kind: str) -> None:
        self.kind = kind
        super().__init__(
            path,
            f"lies on a network file system ({kind}), where SQLite cannot keep it safe; name a file on a local "
            "disk with --ledger PATH. Outputs may stay where they are",
        )


class LedgerFullError(LedgerError):
    """The disk is full; what was being written was not, and nothing else is lost."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "cannot grow: the disk is full. Nothing more is bought; make room, then resume")


class LedgerIOError(LedgerError):
    """The ledger cannot be read or written; what was being written was not.

    Attributes:
        code: SQLite's name for it, as in `SQLITE_IOERR_FSYNC`.
    """

    def __init__(self, path: str | os.PathLike[str], problem: str, code: str = "") -> None:
        self.code = code
        super().__init__(
            path, f"cannot be read or written ({problem}). Nothing more is bought; see to the disk, then resume"
        )


class ManifestChangedError(LedgerError):
    """A row of the manifest was changed after it was sent.

    Attributes:
        item_id: The row.
        state: Where it stands.
    """

    def __init__(self, path: str | os.PathLike[str], item_id: str, state: str, job_id: str | None) -> None:
        self.item_id, self.state = item_id, state
        job = f" as job {job_id}" if job_id else ""
        super().__init__(
            path,
            f"has the row {item_id!r} as {state}{job}, and the manifest asks for something else under the same "
            "item_id; restore the row, or give the new one an item_id of its own",
        )


class StateConflictError(LedgerError):
    """A row is not where the program believes it to be, or is to go where no way leads; nothing was written."""

    def __init__(self, path: str | os.PathLike[str], problem: str) -> None:
        super().__init__(path, f"refuses a change: {problem}. This is a mistake in syncso; please report it")


SQLITE_BUSY, SQLITE_FULL, SQLITE_CORRUPT, SQLITE_NOTADB = 5, 13, 11, 26


def told(path: str | os.PathLike[str], error: sqlite3.Error) -> LedgerError:
    """Say what SQLite has met, in words that help."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the details
    if code == SQLITE_FULL:
        return LedgerFullError(path)
    if code == SQLITE_CORRUPT:
        return DamagedLedgerError(path, str(error))
    if code == SQLITE_NOTADB:
        return ForeignLedgerError(path)
    if code == SQLITE_BUSY:
        return LedgerIOError(path, "another program has locked it; end that", "SQLITE_BUSY")
    return LedgerIOError(path, str(error), getattr(error, "sqlite_errorname", ""))
