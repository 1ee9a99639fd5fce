"""A refused request, in the API's own form."""

from __future__ import annotations

import http
from typing import Any

from aiohttp import web

from sync_async.sandbox.catalogue import CODES, OUTSIDE


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
        self.body = {**body, "error": http.HTTPStatus(self.status).phrase, **more}
        super().__init__(self.body["message"])

    def response(self, *, with_code: bool = True) -> web.Response:
        """Write the answer."""
        body = self.body if with_code else {name: v for name, v in self.body.items() if name != "errorCode"}
        return web.json_response(body, status=self.status, headers=self.headers)


def invalid(message: str, field: str | None = None) -> Refusal:
    """Refuse a request that does not satisfy the schema."""
    return Refusal("generation_input_validation_failed", message=message, field=field)
