"""The import names of the vendor's SDK, so that programs written for `syncsdk` run unchanged.

Nothing is defined here: the blocking client is that of `sync_blocking`, all else that of `sync_async`.
"""

from sync import assets, batch, common, generations, models, webhooks
from sync.client import AsyncSync, Sync
from sync.common import *  # noqa: F403
from sync.environment import SyncEnvironment
from sync.version import __version__
from sync.webhooks import GenerationNotification, WebhookStatus

__all__ = [
    "AsyncSync",
    "GenerationNotification",
    "Sync",
    "SyncEnvironment",
    "WebhookStatus",
    "__version__",
    "assets",
    "batch",
    "common",
    "generations",
    "models",
    "webhooks",
]
__all__ += common.__all__
