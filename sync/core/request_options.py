"""The options of a call under the vendor's import name."""

from sync_async import RequestOptions

__all__ = ["RequestOptions"]
