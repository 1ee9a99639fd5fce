"""Writes down what syncsdk sends for each call.

Run it with a Python in which syncsdk 0.3.0 is installed:

python -m venv /some/folder && /some/folder/bin/pip install syncsdk==0.3.0
/some/folder/bin/python tests/compat/record_syncsdk.py
"""

from __future__ import annotations

import json
from pathlib import Path

import calls
import echo

import sync

if __name__ == "__main__":
    if sync.__version__ != "0.3.0":
        raise SystemExit(f"this is not syncsdk 0.3.0: {sync.__file__}")
    server = echo.Echo()
    recorded = {}
    for name in calls.CALLS:
        server.seen.clear()
        error = calls.run(name, server.url)
        recorded[name] = {"error": error, "sent": list(server.seen)}
    server.close()
    path = Path(__file__).parent / "syncsdk_requests.json"
    path.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")
