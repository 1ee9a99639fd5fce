"""The same as `sync_async.webhooks`, which waits for nothing and so is the same in both styles."""

from sync_async.webhooks import HEADER, Notification, parse, verify

__all__ = ["HEADER", "Notification", "parse", "verify"]
