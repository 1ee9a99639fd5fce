"""The resource under the vendor's import name."""

from sync_async.resources.assets import AsyncAssets as AsyncAssetsClient
from sync_blocking.resources.assets import Assets as AssetsClient

__all__ = ["AssetsClient", "AsyncAssetsClient"]
