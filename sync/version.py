"""The version under the vendor's import name."""

from sync_async import __version__

__all__ = ["__version__"]
