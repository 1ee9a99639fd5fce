"""What webhooks bring, under the vendor's import name, and whether it is genuine."""

from sync_async import BatchNotification, GenerationNotification, WebhookStatus
from sync_async.webhooks import HEADER, Notification, parse, verify

__all__ = [
    "HEADER",
    "BatchNotification",
    "GenerationNotification",
    "Notification",
    "WebhookStatus",
    "parse",
    "verify",
]
