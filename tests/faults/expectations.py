"""What has to come of a call whose request at one step meets a fault: success, or which error."""

from __future__ import annotations

from sync_async import ApiError as AnyApiError
from sync_async import DecodeError, DownloadError, NotFoundError, UploadError, WaitTimeoutError
from tests.faults.calls import Case, Step
from tests.faults.kinds import Fault, Meaning

SUCCESS = None
Expected = type[Exception] | None
"""The exact class of the error, or None for success."""

BELIEVED = {
    ("get", "truncated"),
    ("get", "200 with a number"),
    ("fetch", "truncated"),
    ("fetch", "200 with a number"),
    ("link", "200 with a number"),
}
"""Files that nobody can tell from whole ones: storage says nothing of their content but its length."""
ENDLESS = {("get", "dripping for ever"), ("fetch", "dripping for ever")}
"""A file may take as long as it needs while its bytes come."""
LINK_ENDED = {"401", "403", "404"}
"""Answers with which storage says that a link has ended, so that another is asked for."""


def applies(fault: Fault, step: Step) -> bool:
    """Tell whether a fault says anything at a step."""
    return (step, fault.name) not in BELIEVED | ENDLESS


def expected(fault: Fault, case: Case, step: Step, *, always: bool) -> Expected:
    """Say what has to come of a call.

    Args:
        fault: What its request meets.
        case: The call.
        step: Which of its steps the request belongs to.
        always: Whether the fault meets all later requests, too.
    """
    if fault.meaning is Meaning.HARMLESS:
        return SUCCESS
    if step in ("put", "get", "fetch"):
        return _of_storage(fault, step, always=always)
    if step == "look":
        return _of_look(fault, case, always=always)
    if step in ("never", "register"):
        return _of_unkeyed(fault, step, always=always)
    return _of_repeatable(fault, step, always=always)


def _of_repeatable(fault: Fault, step: Step, *, always: bool) -> Expected:
    match fault.meaning:
        case Meaning.UNCLEAR | Meaning.REFUSED:
            return fault.error if always else SUCCESS
        case Meaning.UNREADABLE:
            return _of_unreadable(fault, step, always=always)
        case Meaning.ELSEWHERE if step == "link":
            return DownloadError  # it is followed there, without the key, and nothing is there
        case Meaning.FINAL if step == "text" and fault.name == "404":
            return NotFoundError if always else SUCCESS  # an older server gives the link with the generation
        case _:
            return fault.error


def _of_unreadable(fault: Fault, step: Step, *, always: bool) -> Expected:
    if step == "any" or (step == "link" and fault.name == "truncated"):
        return SUCCESS  # whatever the server says; a redirect has no body
    if step == "text" and fault.name == "truncated":
        return DownloadError if always else SUCCESS  # half a link leads to nothing, and another is asked for
    return DecodeError


def _of_unkeyed(fault: Fault, step: Step, *, always: bool) -> Expected:
    """A request that is sent once, unless it was refused; an asset is looked for in the library."""
    if fault.meaning is Meaning.REFUSED and not always:
        return SUCCESS
    could_be_done = fault.meaning in (Meaning.UNCLEAR, Meaning.UNREADABLE)
    if step == "register" and could_be_done and fault.done and not always:
        return SUCCESS
    return fault.error


def _of_look(fault: Fault, case: Case, *, always: bool) -> Expected:
    """A look that fails for a passing reason does not end a wait."""
    match fault.meaning:
        case Meaning.FINAL if fault.name == "400" and not always and case.method in LONG_POLLS:
            return SUCCESS  # a server without long poll
        case Meaning.FINAL | Meaning.ELSEWHERE:
            return fault.error
        case _ if fault.error is AnyApiError:  # 408 is neither 429 nor 5xx
            return fault.error if always else SUCCESS
        case _:
            return WaitTimeoutError if always else SUCCESS


LONG_POLLS = {"generations.wait", "generations.run", "lipsync", "bulk.run_one"}


def _of_storage(fault: Fault, step: Step, *, always: bool) -> Expected:
    error = UploadError if step == "put" else DownloadError
    if step == "put" and (fault.meaning is Meaning.UNREADABLE or fault.name in HEAD_IS_GOOD):
        return SUCCESS  # the status says all
    match fault.meaning:
        case Meaning.UNCLEAR | Meaning.REFUSED | Meaning.UNREADABLE:
            return error if always else SUCCESS
        case Meaning.FINAL if fault.name in LINK_ENDED and step != "fetch":
            return fault.error if always else SUCCESS  # another address is asked for, and meets the same
        case Meaning.ELSEWHERE if step == "get":
            return error if always else SUCCESS  # nothing is there, so another link is asked for
        case _:
            return error


HEAD_IS_GOOD = {
    "cut in the middle",
    "reset in the middle",
    "stalled in the middle",
    "dripping for ever",
    "length too long",
    "gzip that is none",
    "gzip damaged",
}
