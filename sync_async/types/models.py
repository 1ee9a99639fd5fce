"""The models that an organisation may use."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import attrs

from sync_async.types._model import ApiObject

ModelType = Literal["lipsync", "react"] | str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ModelInfo(ApiObject):
    """A model; `name` is the value to send as `model`."""

    id: str
    name: str
    type: ModelType | None = None
    version: str | None = None
    description: str | None = None
    deprecated_at: datetime | None = None
