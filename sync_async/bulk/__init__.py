"""Bulk runs: thousands of paid generations from one manifest. `client.bulk` is the way in; here are its types.

from sync_async.bulk import ItemResult, LedgerError, ManifestError, Report, State
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would take longer than all of this
if TYPE_CHECKING:
    from sync_async.bulk.counters import Failures as Failures
    from sync_async.bulk.errors import DamagedLedgerError as DamagedLedgerError
    from sync_async.bulk.errors import ForeignLedgerError as ForeignLedgerError
    from sync_async.bulk.errors import LedgerError as LedgerError
    from sync_async.bulk.errors import LedgerFullError as LedgerFullError
    from sync_async.bulk.errors import LedgerIOError as LedgerIOError
    from sync_async.bulk.errors import LedgerLockedError as LedgerLockedError
    from sync_async.bulk.errors import LedgerVersionError as LedgerVersionError
    from sync_async.bulk.errors import ManifestChangedError as ManifestChangedError
    from sync_async.bulk.errors import ManifestError as ManifestError
    from sync_async.bulk.errors import NetworkFileSystemError as NetworkFileSystemError
    from sync_async.bulk.errors import StateConflictError as StateConflictError
    from sync_async.bulk.plan import ModelPlan as ModelPlan
    from sync_async.bulk.plan import Plan as Plan
    from sync_async.bulk.results import BulkIncompleteError as BulkIncompleteError
    from sync_async.bulk.results import ItemResult as ItemResult
    from sync_async.bulk.results import Report as Report
    from sync_async.bulk.results import Retry as Retry
    from sync_async.bulk.results import RunStatus as RunStatus
    from sync_async.bulk.rows import Problem as Problem
    from sync_async.bulk.safety import Halt as Halt
    from sync_async.bulk.states import State as State

__all__ = [
    "BulkIncompleteError",
    "DamagedLedgerError",
    "Failures",
    "ForeignLedgerError",
    "Halt",
    "ItemResult",
    "LedgerError",
    "LedgerFullError",
    "LedgerIOError",
    "LedgerLockedError",
    "LedgerVersionError",
    "ManifestChangedError",
    "ManifestError",
    "ModelPlan",
    "NetworkFileSystemError",
    "Plan",
    "Problem",
    "Report",
    "Retry",
    "RunStatus",
    "State",
    "StateConflictError",
]

_HOMES = {
    "BulkIncompleteError": "results",
    "DamagedLedgerError": "errors",
    "Failures": "counters",
    "ForeignLedgerError": "errors",
    "Halt": "safety",
    "ItemResult": "results",
    "LedgerError": "errors",
    "LedgerFullError": "errors",
    "LedgerIOError": "errors",
    "LedgerLockedError": "errors",
    "LedgerVersionError": "errors",
    "ManifestChangedError": "errors",
    "ManifestError": "errors",
    "ModelPlan": "plan",
    "NetworkFileSystemError": "errors",
    "Plan": "plan",
    "Problem": "rows",
    "Report": "results",
    "Retry": "results",
    "RunStatus": "results",
    "State": "states",
    "StateConflictError": "errors",
}
"""Where names are."""


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # a checker shall know the names above, and take no other

    def __getattr__(name: str) -> object:
        """Load a public name when it is first asked for."""
        import importlib

        if name not in _HOMES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        value = globals()[name] = getattr(home, name)
        return value
