"""Opening a run: its folder and its ledger, its rows if there are any to take in, and how it is worked on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from sync_async._errors import ArgumentError
from sync_async._version import __version__
from sync_async.bulk.budget import micro
from sync_async.bulk.intake import kept_plan, take_in
from sync_async.bulk.ledger import Ledger
from sync_async.bulk.listing import PROBLEMS
from sync_async.bulk.plan import Plan
from sync_async.bulk.prices import Prices
from sync_async.bulk.records import Run, RunSpec
from sync_async.bulk.rows import RowReader
from sync_async.bulk.session import RunSettings
from sync_async.bulk.sqlite import SqliteLedger
from sync_async.bulk.work import Work
from sync_async.resources._resource import Caller

SETTINGS = "settings"
Amount = Decimal | float | str
"""US dollars."""


@attrs.frozen(kw_only=True)
class Rows:
    """Rows to take in.

    Attributes:
        items: Where they come from.
        defaults: Columns for rows that leave them out.
        base: The folder against which paths of media are taken, None for that of the manifest.
        prices: Whether the server is asked for prices.
        dedupe: Whether rows that ask for the same are bought once.
        skip_bad: Whether rows with problems are set aside, and the others go on.
    """

    items: Any
    defaults: Mapping[str, Any] | None = None
    base: str | os.PathLike[str] | None = None
    prices: bool = True
    dedupe: bool = True
    skip_bad: bool = False

    @property
    def source(self) -> str:
        """Where they come from, in words."""
        return str(self.items) if isinstance(self.items, str | os.PathLike) else type(self.items).__name__

    def reader(self) -> RowReader:
        """Give what checks them."""
        return RowReader(base_of(self.items, self.base), self.defaults)


def base_of(items: object, base: str | os.PathLike[str] | None) -> Path:
    """Give the folder against which paths of media are taken."""
    if base is None and isinstance(items, str | os.PathLike):
        return Path(items).parent
    return Path(base or ".")


async def open_work(
    caller: Caller,
    output: Path,
    *,
    rows: Rows | None,
    ledger: Path | None,
    run_id: str | None,
    budget: Amount | None,
    wishes: Mapping[str, Any],
) -> Work:
    """Open a run, or begin one.

    Args:
        caller: The way to the API.
        output: Where its outputs go.
        rows: Its rows; None opens the run that is there.
        ledger: A file for the ledger, elsewhere than in the output folder.
        run_id: Its name.
        budget: What may be spent.
        wishes: Settings that are to be otherwise than before, or than usual.

    Raises:
        ArgumentError: A wish cannot be right, there is no run, or its rows were not all taken in.
        ManifestError: Rows have problems.
        LedgerError: The ledger cannot be used; the subclasses tell why.
        ApiError, ApiConnectionError: Prices cannot be asked for.
    """
    RunSettings(**wishes)  # before anything is touched
    spec = RunSpec(
        run_id=run_id,
        manifest=None if rows is None else rows.source,
        sdk_version=__version__,
        defaults=None if rows is None else dict(rows.defaults or {}),
        budget_micro=None if budget is None else micro(budget),
        may_begin=rows is not None,
    )
    store = SqliteLedger(output, ledger=ledger)
    run = await store.create_run(spec)
    try:
        settings = await _settings(store, run, wishes)
        plan = await _plan(store, run, caller, output, rows)
        return Work(ledger=store, run=run, caller=caller, folder=output, settings=settings, plan=plan)
    except BaseException:
        await store.aclose()
        raise


async def _settings(ledger: Ledger, run: Run, wishes: Mapping[str, Any]) -> RunSettings:
    """Give the settings of the run, those that were wished for once among them, and keep them."""
    kept = {**(await ledger.kv(SETTINGS) or {}), **wishes}
    settings = RunSettings(**kept, budget_micro=run.budget_micro)
    await ledger.kv(SETTINGS, kept)
    return settings


async def _plan(ledger: Ledger, run: Run, caller: Caller, output: Path, rows: Rows | None) -> Plan:
    if rows is not None:
        return await take_in(
            ledger,
            rows.items,
            reader=rows.reader(),
            prices=Prices(caller) if rows.prices else None,
            run_id=run.run_id,
            dedupe=rows.dedupe,
            skip_bad=rows.skip_bad,
            problems_file=output / PROBLEMS,
        )
    plan = await kept_plan(ledger)
    if plan is None:
        raise ArgumentError("items", "not all rows of this run were taken in; open it with its rows once more")
    return plan
