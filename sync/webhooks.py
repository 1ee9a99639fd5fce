"""What webhooks bring, under the vendor's import name."""

from sync_async import GenerationNotification, WebhookStatus

__all__ = ["GenerationNotification", "WebhookStatus"]
