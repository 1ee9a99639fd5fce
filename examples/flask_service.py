"""A web service with Flask that makes videos talk: `python examples/flask_service.py 8000`.

`POST /orders/NAME` starts a generation, once for each name; `GET /orders/NAME` tells how it stands.
SYNC_API_KEY has the key. Run so, it is Flask's own server for development; in earnest it is `app`, behind a WSGI
server.
"""

import functools
import sys

from flask import Flask, Response, abort, jsonify, request

from sync_blocking import ApiConnectionError, ArgumentError, Audio, Sync, SyncError, TooManyRequestsError, Video

app = Flask(__name__)
jobs: dict[str, str] = {}  # a database in earnest: the names of orders, and the ids of their generations


@functools.cache
def client() -> Sync:
    """Make the client when it is first needed: one for all threads of a process, and one for each process."""
    return Sync(timeout=20)


@app.post("/orders/<name>")
def start(name: str) -> tuple[Response, int]:
    """Start a generation. The order's name is the key, so that a customer who asks twice pays once."""
    order = request.get_json()
    job = client().generations.create(
        model="lipsync-2",
        input=[Video(url=order["video"]), Audio(url=order["audio"])],
        request_options={"idempotency_key": f"order-{name}"},
    )
    jobs[name] = job.id
    return jsonify(name=name, status=job.status), 202


@app.get("/orders/<name>")
def look(name: str) -> Response:
    """Tell how an order stands; the link to its video is signed, and ends after some days."""
    if name not in jobs:
        abort(404)
    job = client().generations.get(jobs[name])
    return jsonify(name=name, status=job.status, video=job.output_url, error=job.error)


@app.errorhandler(SyncError)
def tell(error: SyncError) -> tuple[Response, int, dict[str, str]]:
    """Answer with what a customer can do about an error; the rest is for the log."""
    if isinstance(error, ArgumentError):
        return jsonify(problem=str(error)), 422, {}
    if isinstance(error, TooManyRequestsError | ApiConnectionError):
        return jsonify(problem="try again later"), 503, {"Retry-After": "30"}
    return jsonify(problem="the video cannot be made"), 502, {}


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
