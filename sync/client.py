"""The clients under the vendor's import name."""

from sync_async import AsyncSync
from sync_blocking import Sync

__all__ = ["AsyncSync", "Sync"]
