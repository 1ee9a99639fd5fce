"""Unknown keywords, refused with those that there are.

Python names the wrong keyword only; whoever mistypes one of a dozen optional arguments wants to see the others.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def unknown_keyword(what: str, given: Iterable[str], known: Sequence[str]) -> TypeError | None:
    """Make the error for the first keyword that is not known, if there is one.

    Args:
        what: What was called, and what its keywords are, as in `Video has no field`.
        given: The keywords of the call.
        known: All that there are.
    """
    name = next((name for name in given if name not in known), None)
    if name is None:
        return None
    import difflib

    snake = "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)
    near = difflib.get_close_matches(snake, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return TypeError(f"{what} {name!r}.{hint} It takes {', '.join(known)}")


def explains_keywords(function: FunctionT) -> FunctionT:
    """Have a method answer an unknown keyword with all that it takes.

    A coroutine function stays one, and the wrapper stands in no traceback but that of such a call.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            error = _explained(function, kwargs)
            if error is None:  # another one, of a missing argument perhaps
                raise
        raise error

    if inspect.iscoroutinefunction(function):
        _mark_as_coroutine_function(call)
    return cast("FunctionT", call)


def _explained(function: Callable[..., Any], kwargs: dict[str, Any]) -> TypeError | None:
    name = function.__qualname__.removesuffix(".__init__")
    known = list(inspect.signature(function).parameters)[1:]  # without self
    return unknown_keyword(f"{name}() has no argument", kwargs, known)


def _mark_as_coroutine_function(call: Any) -> None:
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(call)
    else:  # 3.11: what asyncio, unittest.mock and the web frameworks look at
        call._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]  # noqa: SLF001
