"""A web service with FastAPI that makes videos talk: `python examples/fastapi_service.py 8000`.

`POST /orders/{name}` starts a generation, once for each name; `GET /orders/{name}` tells how it stands.
SYNC_API_KEY has the key.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from sync_async import (
    ApiConnectionError,
    ArgumentError,
    AsyncSync,
    Audio,
    SyncError,
    TooManyRequestsError,
    Video,
)


class Order(BaseModel):
    """What a customer wants."""

    video: str
    audio: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open one client with the server, and close it with it: all requests share its connections."""
    async with AsyncSync(timeout=20) as app.state.client:
        app.state.jobs = {}  # a database in earnest: the names of orders, and the ids of their generations
        yield


def client_of(request: Request) -> AsyncSync:
    """Give the server's client; tests replace this."""
    client: AsyncSync = request.app.state.client
    return client


Client = Annotated[AsyncSync, Depends(client_of)]
app = FastAPI(lifespan=lifespan)


@app.post("/orders/{name}", status_code=202)
async def start(name: str, order: Order, request: Request, client: Client) -> dict[str, str]:
    """Start a generation. The order's name is the key, so that a customer who asks twice pays once."""
    job = await client.generations.create(
        model="lipsync-2",
        input=[Video(url=order.video), Audio(url=order.audio)],
        request_options={"idempotency_key": f"order-{name}"},
    )
    request.app.state.jobs[name] = job.id
    return {"name": name, "status": job.status}


@app.get("/orders/{name}")
async def look(name: str, request: Request, client: Client) -> dict[str, str | None]:
    """Tell how an order stands; the link to its video is signed, and ends after some days."""
    if name not in request.app.state.jobs:
        raise HTTPException(404)
    job = await client.generations.get(request.app.state.jobs[name])
    return {"name": name, "status": job.status, "video": job.output_url, "error": job.error}


@app.exception_handler(SyncError)
async def tell(_: Request, error: SyncError) -> JSONResponse:
    """Answer with what a customer can do about an error; the rest is for the log."""
    if isinstance(error, ArgumentError):
        return JSONResponse({"problem": str(error)}, 422)
    if isinstance(error, TooManyRequestsError | ApiConnectionError):
        return JSONResponse({"problem": "try again later"}, 503, {"Retry-After": "30"})
    return JSONResponse({"problem": "the video cannot be made"}, 502)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
