"""Types and errors under the vendor's import name."""

from sync.common.errors import *  # noqa: F403
from sync.common.errors import __all__ as _errors
from sync.common.types import *  # noqa: F403
from sync.common.types import __all__ as _types

__all__ = [*_types, *_errors]  # noqa: PLE0604  # both hold text
