"""The body of an error answer."""

from __future__ import annotations

from typing import Any

import attrs

from sync_async.types._model import ApiObject

GenerationErrorMessage = str | list[str]


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationError(ApiObject):
    """What the server says of a refused request. Fields can be read as attributes or by their wire names.

    Source: https://sync.so/docs/developer-guides/error-handling
    """

    message: GenerationErrorMessage | None = None
    status_code: float | None = None
    error_code: str | None = None
    suggestion: str | None = None
    field: str | None = None
    error: str | None = None
    request_id: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self.to_dict()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Read a field by its wire name."""
        return self.to_dict().get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self.to_dict()
