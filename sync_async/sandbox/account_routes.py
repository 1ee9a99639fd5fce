"""The small endpoints: the account, the webhook secret, the error catalogue, and whether the sandbox is well."""

from __future__ import annotations

from aiohttp import web

from sync_async.sandbox.catalogue import CODES
from sync_async.sandbox.world import OWNER, World

KEYLESS = ("/v2/errors", "/health")
"""Paths that are answered without a key."""


class AccountRoutes:
    """Handlers over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the endpoints."""
        router.add_get("/v2/account", self.account)
        router.add_get("/v2/organizations/webhook/secret", self.webhook_secret)
        router.add_get("/v2/errors", self.errors)
        router.add_get("/health", self.health)

    async def account(self, _: web.Request) -> web.Response:
        """GET /v2/account."""
        answer = {
            "account": {"id": OWNER, "email": "dev@example.com", "name": "Dev"},
            "organization": {"id": "o-1", "name": "Sandbox"},
            "credentialType": "api_key",
            "billingModel": "usage",
            "billingUrl": "https://sync.so/billing",
        }
        return web.json_response({**answer, **self.world.settings.account})

    async def webhook_secret(self, _: web.Request) -> web.Response:
        """GET /v2/organizations/webhook/secret."""
        return web.json_response({"secret": self.world.settings.webhook_secret})

    async def errors(self, _: web.Request) -> web.Response:
        """GET /v2/errors, without a key."""
        codes = [
            {"code": name, "message": code.message, "suggestion": code.suggestion} for name, code in CODES.items()
        ]
        return web.json_response(codes)

    async def health(self, _: web.Request) -> web.Response:
        """GET /health, which the real service does not have."""
        return web.json_response({"status": "ok"})
