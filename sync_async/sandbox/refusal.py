"""A refused request, in the API's own form.

Source: https://sync.so/docs/api-reference/api/models-api/list
"""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sync_async.sandbox.catalogue import CODES, OUTSIDE

TOO_MANY = 429


class Refusal(Exception):  # noqa: N818  # it is an answer, not a failure of the sandbox
    """Raised by whatever finds a request wrong; becomes the answer."""

    def __init__(
        self,
        code: str | None,
        *,
        status: int | None = None,
        message: str | None = None,
        field: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        known = CODES.get(code or "") or OUTSIDE.get(code or "")
        self.code = code
        self.status = status or (known.status if known else 400)
        self.headers = headers or {}
        body: dict[str, Any] = {
            "statusCode": self.status,
            "message": message or (known.message if known else "Refused."),
        }
        if code is not None:
            body["errorCode"] = code
        if known is not None:
            body["suggestion"] = known.suggestion
        if field is not None:
            body["field"] = field
        self.body = {**body, "error": _phrase(self.status), **more}
        super().__init__(self.body["message"])

    def response(self, *, with_code: bool = True, statuses: Mapping[str, int] | None = None) -> web.Response:
        """Write the answer; `statuses` gives codes another status than the catalogue does."""
        body, status = dict(self.body), (statuses or {}).get(self.code or "", self.status)
        if status != self.status:
            body |= {"statusCode": status, "error": _phrase(status)}
        if not with_code:
            body.pop("errorCode", None)
        body = {name: value for name, value in body.items() if value is not None}
        return web.json_response(body, status=status, headers=self.headers)


def _phrase(status: int) -> str | None:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:  # a status that nobody registered
        return None


def invalid(message: str, field: str | None = None) -> Refusal:
    """Refuse a request that does not satisfy the schema."""
    return Refusal("generation_input_validation_failed", message=message, field=field)


def unauthorized(message: str, **more: Any) -> Refusal:
    """Refuse a request without the right key; only some of these answers have an `error`."""
    refusal = Refusal(None, status=401, message=message)
    refusal.body = {"message": message, **more, "statusCode": 401}
    return refusal
