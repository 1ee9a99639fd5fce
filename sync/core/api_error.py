"""The base of the server's errors under the vendor's import name."""

from sync_async import ApiError

__all__ = ["ApiError"]
