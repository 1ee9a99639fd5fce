"""Types and errors under the vendor's import name."""

from sync.common import errors, types
from sync.common.errors import *  # noqa: F403
from sync.common.types import *  # noqa: F403

__all__: list[str] = []
__all__ += types.__all__
__all__ += errors.__all__
