"""What to do about rows that have no output: what the API's catalogue says of their code, and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import attrs

from sync_async.bulk.endings import NOT_FOUND, may_go_well
from sync_async.bulk.listing import FAILED_ROWS
from sync_async.bulk.report.tally import Group, Reason


@attrs.frozen(kw_only=True)
class Advice:
    """What to do.

    Attributes:
        sentence: In words, None when nobody knows more than the error says.
        command: The command to give, None without any.
    """

    sentence: str | None = None
    command: str | None = None


@attrs.frozen(kw_only=True)
class Adviser:
    """Knows what to do in one run.

    Args:
        folder: How the run is named on the command line.
        has_failed_rows: Whether its failed rows are there as a manifest.
        suggestions: What the API suggests, by error code.
    """

    folder: str
    has_failed_rows: bool = False
    suggestions: Mapping[str, str] = attrs.field(factory=dict)

    def of(self, reason: Reason) -> Advice:
        """Tell what to do about rows that have no output for one reason."""
        match reason.group:
            case Group.UNKNOWN | Group.CONFLICT:
                return Advice(command=self.command("resolve"))
            case Group.NOT_FETCHED:
                return Advice(
                    sentence="They are paid for, and wait at the server.", command=self.command("resume")
                )
            case Group.FAILED | Group.REJECTED:
                return self._of_failed(reason)
            case _:
                return Advice()

    def _of_failed(self, reason: Reason) -> Advice:
        code = reason.code or reason.group.value
        known = None if code == NOT_FOUND else self.suggestions.get(code)
        if reason.group is Group.FAILED and may_go_well(reason.code):
            return Advice(sentence=known, command=f"{self.command('retry')} --code {shlex.quote(code)}")
        mend = f"{FAILED_ROWS} has these rows as a manifest." if self.has_failed_rows else None
        return Advice(sentence=" ".join(part for part in (known, mend) if part) or None)

    def command(self, verb: str) -> str:
        """Give a command for the run."""
        return f"syncso bulk {verb} {self.folder}"


def suggestions() -> dict[str, str]:
    """Give what the API's catalogue of error codes suggests."""
    from sync_async.sandbox.catalogue import CODES, OUTSIDE  # with a server, which few reports need

    return {name: code.suggestion for name, code in {**CODES, **OUTSIDE}.items()}
