"""The resource under the vendor's import name."""

from sync_async.resources.batch import AsyncBatch as AsyncBatchClient
from sync_blocking.resources.batch import Batch as BatchClient

__all__ = ["AsyncBatchClient", "BatchClient"]
