"""What survives a restart: a line of JSON for each state of each thing, the last one counting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Journal:
    """Appends to `journal.jsonl` of a folder, and reads it back."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self._file = self._path.open("a", encoding="utf-8")

    def write(self, kind: str, record: dict[str, Any]) -> None:
        """Keep the state of a thing; `record` has its id."""
        self._file.write(json.dumps({"kind": kind, **record}) + "\n")
        self._file.flush()

    def read(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Give the last state of each thing, by kind and id, in the order of their first."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # the last line of a process that was killed while it wrote
                continue
            found.setdefault(record.pop("kind"), {})[record["id"]] = record
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
