"""The resource under the vendor's import name."""

from sync_async.resources.generations import AsyncGenerations as AsyncGenerationsClient
from sync_blocking.resources.generations import Generations as GenerationsClient

__all__ = ["AsyncGenerationsClient", "GenerationsClient"]
