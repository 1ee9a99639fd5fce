"""The kinds of remote jobs: which words end them, and which of these are good.

There is no common vocabulary, so the waiter reads this table and knows no word itself. Words that it does
not have are taken for work in progress: the server may learn new ones.
"""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class JobKind:
    """How one kind of job ends, and how often to look at it."""

    name: str
    success: frozenset[str]
    failure: frozenset[str]
    running: frozenset[str]
    first_wait: float
    """Seconds between two looks where the server does not say; grows up to `longest_wait`."""
    longest_wait: float

    def is_over(self, status: str) -> bool:
        """Tell whether a job with this status has ended."""
        return status in self.success or status in self.failure

    def is_known(self, status: str) -> bool:
        """Tell whether the table has the word."""
        return self.is_over(status) or status in self.running


GENERATION = JobKind(
    name="generation",
    success=frozenset({"COMPLETED"}),
    # the last three stand in older documentation
    failure=frozenset({"FAILED", "REJECTED", "CANCELED", "CANCELLED", "TIMED_OUT"}),
    running=frozenset({"PENDING", "PROCESSING"}),
    first_wait=2.0,
    longest_wait=15.0,
)

BATCH = JobKind(
    name="batch",
    success=frozenset({"COMPLETED"}),
    failure=frozenset({"FAILED"}),
    running=frozenset({"PENDING", "JOBS_CREATED", "PROCESSING"}),
    # a batch takes up to a day
    first_wait=5.0,
    longest_wait=60.0,
)
