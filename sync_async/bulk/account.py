"""What the account says of how many generations may run at once, where it says it.

The documentation names no field for it, so that any whole number under a name with `concurrency` counts.
Source: https://sync.so/docs/api-reference/api/account-api
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from sync_async._errors import ApiConnectionError, ApiError, DecodeError
from sync_async._request import Answer, Endpoint, Repeat, make_request
from sync_async._settings import RequestOptions
from sync_async.bulk.outcome import MOST_TOLD
from sync_async.resources._resource import Caller

ACCOUNT = Endpoint[Any]("GET", "/v2/account", Repeat.SAFE, answer=Answer.ANY)
DEEPEST = 4

log = logging.getLogger("syncso")


async def concurrency_of_account(caller: Caller) -> int | None:
    """Ask the account how many generations may run at once; None when it does not say, or does not answer."""
    try:
        answer = await caller.fetch(make_request(ACCOUNT, RequestOptions(max_retries=1, timeout_in_seconds=10)))
    except (ApiError, ApiConnectionError, DecodeError) as error:
        log.info("the account does not tell its limits: %s", error)
        return None
    return next(_limits(answer), None)


def _limits(value: Any, depth: int = DEEPEST) -> Iterator[int]:
    if not isinstance(value, Mapping) or not depth:
        return
    for name, inner in value.items():
        is_limit = "concurrency" in str(name).lower() and "active" not in str(name).lower()
        if is_limit and type(inner) is int and 1 <= inner <= MOST_TOLD:
            yield inner
        else:
            yield from _limits(inner, depth - 1)
