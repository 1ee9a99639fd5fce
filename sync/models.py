"""The resource under the vendor's import name."""

from sync_async.resources.models import AsyncModels as AsyncModelsClient
from sync_blocking.resources.models import Models as ModelsClient

__all__ = ["AsyncModelsClient", "ModelsClient"]
