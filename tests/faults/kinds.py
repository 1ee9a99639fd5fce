"""What can go wrong between a client and the API, as named values: how it misbehaves, and what that means."""

from __future__ import annotations

import asyncio
import enum
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import attrs

from sync_async import (
    ApiConnectionError,
    ApiError,
    ApiTimeoutError,
    BadRequestError,
    ConcurrencyLimitError,
    ConflictError,
    DecodeError,
    ForbiddenError,
    InternalServerError,
    NotFoundError,
    PayloadTooLargeError,
    PaymentRequiredError,
    RateLimitError,
    UnauthorizedError,
    UnprocessableEntityError,
)
from tests.faults.proxy import Exchange, Misbehave


class Meaning(enum.Enum):
    """What a fault tells a client."""

    HARMLESS = "the answer is good all the same"
    UNCLEAR = "nobody knows whether it was carried out"
    REFUSED = "it was not carried out, and may come again"
    TOO_LONG = "it was not carried out, and may come again later than anybody waits"
    FINAL = "it was not carried out, and never will be"
    UNREADABLE = "the answer is not what it claims to be"
    ELSEWHERE = "the answer is said to be at another host"


@attrs.frozen(kw_only=True)
class Fault:
    """One way to misbehave.

    Args:
        name: What it is called in the tests' names.
        misbehave: What it does with a request.
        meaning: What a client may conclude.
        error: The error of a call that it ends.
        done: Whether the request is carried out.
        least_wait: Seconds that a repeat has to wait.
        at_accept: Whether it strikes before a byte is read.
        html: Whether the answer is a page.
    """

    name: str
    misbehave: Misbehave
    meaning: Meaning
    error: type[Exception] = DecodeError
    done: bool = False
    least_wait: float = 0.0
    at_accept: bool = False
    html: bool = False


# Connections.


async def reset_unread(exchange: Exchange) -> None:
    await exchange.reset()


async def lost(exchange: Exchange) -> None:
    await exchange.carry_out()
    await exchange.close()


async def reset_done(exchange: Exchange) -> None:
    await exchange.carry_out()
    await exchange.reset()


async def cut_in_the_head(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.head()[:30])
    await exchange.close()


async def send_half(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.head(len(answer.body) or 10) + answer.body[: len(answer.body) // 2])


async def cut_in_the_middle(exchange: Exchange) -> None:
    await send_half(exchange)
    await exchange.close()


async def reset_in_the_middle(exchange: Exchange) -> None:
    await send_half(exchange)
    await asyncio.sleep(0.01)  # what was sent is read before the reset overtakes it
    await exchange.reset()


async def closed_behind(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.whole())
    await exchange.close()


async def more_than_announced(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.whole() + b'{"id": "not-yours"}')


async def second_answer(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.whole())
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nnull")


# Time.


async def stalled(exchange: Exchange) -> None:
    await exchange.carry_out()
    await exchange.stall()


async def stalled_unread(exchange: Exchange) -> None:
    await exchange.stall()


async def stalled_in_the_middle(exchange: Exchange) -> None:
    await send_half(exchange)
    await exchange.stall()


async def dripping_for_ever(exchange: Exchange) -> None:
    """A byte now and then keeps the socket busy; the answer never ends."""
    answer = await exchange.carry_out()
    await exchange.send(answer.head(100_000))
    while True:
        await exchange.send(b" ")
        await asyncio.sleep(7.0)


async def dripping(exchange: Exchange) -> None:
    """Slow, but whole within every timeout."""
    whole = (await exchange.carry_out()).whole()
    size = max(1, len(whole) // 8)
    for start in range(0, len(whole), size):
        await exchange.send(whole[start : start + size])
        await asyncio.sleep(0.5)


# What is no HTTP, or contradicts itself.


async def not_http(exchange: Exchange) -> None:
    await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    await exchange.close()


async def length_is_no_number(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.head("many") + answer.body)
    await exchange.close()


async def length_too_long(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    await exchange.send(answer.head(len(answer.body) + 100) + answer.body)
    await exchange.close()


async def head_without_end(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Much: " + b"a" * 300_000)
    await exchange.close()


async def gzip_that_is_none(exchange: Exchange) -> None:
    answer = await exchange.carry_out()
    answer.headers["Content-Encoding"] = "gzip"
    answer.body = answer.body or b"no gzip either"
    await exchange.send(answer.whole())


async def gzip_damaged(exchange: Exchange) -> None:
    """Its checksum is wrong."""
    answer = await exchange.carry_out()
    answer.headers["Content-Encoding"] = "gzip"
    packed = bytearray(gzip.compress(answer.body or b"something"))
    packed[12] ^= 0xFF
    answer.body = bytes(packed)
    await exchange.send(answer.whole())


# Answers.


def answers(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, kind: str = "application/json"
) -> Misbehave:
    """Give what answers so, and carries nothing out."""
    lines = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    answer = f"HTTP/1.1 {status} So\r\n{head}\r\n".encode("latin-1") + body

    async def misbehave(exchange: Exchange) -> None:
        await exchange.send(answer)

    return misbehave


def refuses(
    status: int, code: str | None = None, headers: Mapping[str, str] | None = None, **fields: Any
) -> Misbehave:
    """Give what refuses in the API's form."""
    body = {"statusCode": status, "message": f"refused with {status}", **fields}
    return answers(status, json.dumps({**body, "errorCode": code} if code else body).encode(), headers)


PAGE = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in.</body></html>"


async def truncated(exchange: Exchange) -> None:
    """Half of the answer, with a length that fits."""
    answer = await exchange.carry_out()
    answer.body = answer.body[: len(answer.body) // 2]
    await exchange.send(answer.whole())


async def page_instead(exchange: Exchange) -> None:
    """A page with status 200, after the request was carried out."""
    await exchange.carry_out()
    await answers(200, PAGE, kind="text/html; charset=utf-8")(exchange)


async def nothing_instead(exchange: Exchange) -> None:
    await exchange.carry_out()
    await answers(200)(exchange)


async def number_instead(exchange: Exchange) -> None:
    await exchange.carry_out()
    await answers(200, b"7")(exchange)


def redirects(status: int, to: str) -> Misbehave:
    """Give what redirects to another origin; `{}` stands for its host and port."""

    async def misbehave(exchange: Exchange) -> None:
        host = exchange.proxy.urls["elsewhere"].removeprefix("http://")
        own = exchange.proxy.urls["api"].removeprefix("http://")
        await answers(status, b"", {"Location": to.format(host, own=own)})(exchange)

    return misbehave


def _date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def dated(status: int, code: str, seconds: float) -> Misbehave:
    """Give what refuses with a date, so many seconds from the moment of the answer."""

    async def misbehave(exchange: Exchange) -> None:
        await refuses(status, code, {"Retry-After": _date(seconds)})(exchange)

    return misbehave


UNREADABLE, FINAL, REFUSED = Meaning.UNREADABLE, Meaning.FINAL, Meaning.REFUSED


def unclear(name: str, misbehave: Misbehave, error: type[Exception] = ApiConnectionError, **more: Any) -> Fault:
    return Fault(name=name, misbehave=misbehave, meaning=Meaning.UNCLEAR, error=error, **more)


def _too_many() -> list[Fault]:
    """Both kinds of 429 with each form of Retry-After."""
    kinds: list[tuple[str, str, type[Exception], dict[str, Any]]] = [
        ("rate", "rate_limit_exceeded", RateLimitError, {}),
        ("concurrency", "concurrency_limit_reached", ConcurrencyLimitError, {"activeGenerations": 3}),
    ]
    faults = []
    for kind, code, error, fields in kinds:
        unhinted = 30.0 if kind == "concurrency" else 0.0
        forms: list[tuple[str, Misbehave, float]] = [
            ("seconds", refuses(429, code, {"Retry-After": "2"}, **fields), 2.0),
            ("fraction", refuses(429, code, {"Retry-After": "1.5"}, **fields), 1.5),
            ("milliseconds", refuses(429, code, {"retry-after-ms": "1500"}, **fields), 1.5),
            ("date", dated(429, code, 8), 6.0),  # a date has no fractions, and real time passes
            ("past date", dated(429, code, -3600), 0.0),
            ("none", refuses(429, code, **fields), unhinted),
            ("nonsense", refuses(429, code, {"Retry-After": "soon"}, **fields), unhinted),
            ("negative", refuses(429, code, {"Retry-After": "-5"}, **fields), unhinted),
            ("infinite", refuses(429, code, {"Retry-After": "inf"}, **fields), unhinted),
            ("body", refuses(429, code, retryAfterSeconds=3, **fields), 3.0),
            ("body over header", refuses(429, code, {"Retry-After": "1"}, retryAfterSeconds=4, **fields), 4.0),
        ]
        faults += [
            Fault(name=f"429 {kind}, {form}", misbehave=answer, meaning=REFUSED, error=error, least_wait=wait)
            for form, answer, wait in forms
        ]
        long = refuses(429, code, {"Retry-After": "3600"}, **fields)
        faults.append(Fault(name=f"429 {kind}, an hour", misbehave=long, meaning=Meaning.TOO_LONG, error=error))
    return faults


def _final() -> list[Fault]:
    errors: dict[int, type[ApiError]] = {
        400: BadRequestError,
        401: UnauthorizedError,
        402: PaymentRequiredError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        413: PayloadTooLargeError,
        418: ApiError,
        422: UnprocessableEntityError,
    }
    return [
        Fault(name=str(status), misbehave=refuses(status), meaning=FINAL, error=error)
        for status, error in errors.items()
    ]


def _redirects() -> list[Fault]:
    targets = {
        **{str(status): (status, "http://{}/taken") for status in (301, 302, 303, 307, 308)},
        "307 without scheme": (307, "//{}/taken"),
        "307 with our name before": (307, "http://{own}@{}/taken"),
        "307 with our name behind": (307, "http://{}/{own}/taken"),
    }
    return [
        Fault(name=name, misbehave=redirects(*target), meaning=Meaning.ELSEWHERE, error=ApiError)
        for name, target in targets.items()
    ]


FAULTS: list[Fault] = [
    unclear("reset before it is read", reset_unread, at_accept=True),
    unclear("reset when it is read", reset_unread),
    unclear("lost", lost, done=True),
    unclear("reset when it is done", reset_done, done=True),
    unclear("cut in the head", cut_in_the_head, done=True),
    unclear("cut in the middle", cut_in_the_middle, done=True),
    unclear("reset in the middle", reset_in_the_middle, done=True),
    unclear("stalled", stalled, ApiTimeoutError, done=True),
    unclear("stalled before it is done", stalled_unread, ApiTimeoutError),
    unclear("stalled in the middle", stalled_in_the_middle, ApiTimeoutError, done=True),
    unclear("dripping for ever", dripping_for_ever, ApiTimeoutError, done=True),
    unclear("not HTTP", not_http),
    unclear("length is no number", length_is_no_number, done=True),
    unclear("length too long", length_too_long, done=True),
    unclear("head without end", head_without_end),
    unclear("gzip that is none", gzip_that_is_none, done=True),
    unclear("gzip damaged", gzip_damaged, done=True),
    *(unclear(str(status), refuses(status), InternalServerError) for status in (500, 502, 503, 504, 520)),
    unclear("408", refuses(408), ApiError),
    unclear("503 with a page", answers(503, PAGE, kind="text/html"), InternalServerError),
    unclear("503 and Retry-After", refuses(503, None, {"Retry-After": "2"}), InternalServerError, least_wait=2.0),
    Fault(name="closed behind", misbehave=closed_behind, meaning=Meaning.HARMLESS, done=True),
    Fault(name="dripping", misbehave=dripping, meaning=Meaning.HARMLESS, done=True),
    unclear("more than announced", more_than_announced, done=True),
    Fault(name="a second answer", misbehave=second_answer, meaning=Meaning.HARMLESS, done=True),
    Fault(name="truncated", misbehave=truncated, meaning=UNREADABLE, done=True),
    Fault(name="200 with a page", misbehave=page_instead, meaning=UNREADABLE, done=True, html=True),
    Fault(name="200 with nothing", misbehave=nothing_instead, meaning=UNREADABLE, done=True),
    Fault(name="200 with a number", misbehave=number_instead, meaning=UNREADABLE, done=True),
    *_too_many(),
    *_final(),
    *_redirects(),
]
