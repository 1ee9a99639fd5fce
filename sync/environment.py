"""The servers under the vendor's import name."""

from sync_async import SyncEnvironment

__all__ = ["SyncEnvironment"]
