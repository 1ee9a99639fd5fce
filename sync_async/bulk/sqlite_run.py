"""The one run in a ledger's file: beginning it, and opening it once more."""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import attrs

from sync_async._errors import ArgumentError
from sync_async.bulk.records import Run, RunSpec

RUN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
RUN_COLUMNS = "run_id, created_us, manifest, manifest_sha, sdk_version, defaults_json, budget_micro, state, epoch"
CHANGEABLE = ("manifest", "manifest_sha", "sdk_version", "defaults", "budget_micro")
"""What the one who opens a run may want otherwise than before."""
REOPENED = """
UPDATE run SET manifest = ?, manifest_sha = ?, sdk_version = ?, defaults_json = ?, budget_micro = ?,
    epoch = epoch + 1
"""


def open_run(connection: sqlite3.Connection, path: Path, spec: RunSpec | None, now_us: int) -> Run:
    """Open the run that is there as the caller wants it now, or begin one.

    Raises:
        ArgumentError: There is none and none is to begin, there is another one, or its name cannot be one.
    """
    found = run_of(connection)
    if found is None:
        if spec is None or not spec.may_begin:
            raise no_run(path)
        return _insert(connection, spec, now_us)
    if spec is not None and spec.run_id not in (None, found.run_id):
        raise ArgumentError(
            "run_id", f"{str(path)!r} holds the run {found.run_id!r}; take another output directory"
        )
    return _reopen(connection, found, spec)


def no_run(path: Path) -> ArgumentError:
    """Say that there is no run."""
    return ArgumentError("output", f"there is no run in {str(path)!r}; start one with its rows")


def run_of(connection: sqlite3.Connection) -> Run | None:
    """Read the run."""
    row = connection.execute(f"SELECT {RUN_COLUMNS} FROM run").fetchone()  # noqa: S608  # columns of ours
    if row is None:
        return None
    run_id, created_us, manifest, sha, version, defaults, budget, state, epoch = row
    return Run(
        run_id=run_id,
        created_us=created_us,
        manifest=manifest,
        manifest_sha=sha,
        sdk_version=version,
        defaults=json.loads(defaults),
        budget_micro=budget,
        state=state,
        epoch=epoch,
    )


def _insert(connection: sqlite3.Connection, spec: RunSpec, now_us: int) -> Run:
    run_id = secrets.token_hex(16) if spec.run_id is None else spec.run_id
    if not RUN_ID.fullmatch(run_id):
        raise ArgumentError("run_id", f"{run_id!r} is not a name of 1 to 64 letters, digits, '.', '_' and '-'")
    run = _wished(Run(run_id=run_id, created_us=now_us), spec)
    connection.execute(
        f"INSERT INTO run ({RUN_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # columns of ours
        (run_id, now_us, *_changeable(run), run.state, run.epoch),
    )
    return run


def _reopen(connection: sqlite3.Connection, found: Run, spec: RunSpec | None) -> Run:
    """Open a run once more; with a spec, its caller may want other rows and another budget now."""
    run = attrs.evolve(found if spec is None else _wished(found, spec), epoch=found.epoch + 1)
    connection.execute(REOPENED, _changeable(run))
    return run


def _wished(run: Run, spec: RunSpec) -> Run:
    wishes = {name: getattr(spec, name) for name in CHANGEABLE}
    return attrs.evolve(run, **{name: wish for name, wish in wishes.items() if wish is not None})


def _changeable(run: Run) -> tuple[str | int | None, ...]:
    return tuple(
        json.dumps(dict(value), allow_nan=False) if isinstance(value, Mapping) else value
        for value in (getattr(run, name) for name in CHANGEABLE)
    )
