"""The forms of a file under the vendor's import name."""

from sync_async import File

__all__ = ["File"]
