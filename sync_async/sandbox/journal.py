"""What survives a restart: a line of JSON for each state of each thing, the last one counting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Kept = dict[str, dict[str, dict[str, Any]]]


class Journal:
    """Appends to `journal.jsonl` of a folder; what it held before is in `kept`, by kind and id."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.jsonl"
        self.kept: Kept = self._read()
        # Written anew, it is as long as what it holds, and has no half a line of a process that was killed:
        # the next line would be joined to it and lost.
        part = self._path.with_suffix(".part")
        part.write_text("".join(_line(kind, record) for kind, record in self._all()), encoding="utf-8")
        part.replace(self._path)
        self._file = self._path.open("a", encoding="utf-8")

    def _all(self) -> list[tuple[str, dict[str, Any]]]:
        return [(kind, record) for kind, records in self.kept.items() for record in records.values()]

    def _read(self) -> Kept:
        found: Kept = {}
        if not self._path.exists():
            return found
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    record = json.loads(line)
                    kind, id = record.pop("kind"), record["id"]
                except (ValueError, TypeError, KeyError, AttributeError):  # half a line
                    continue
                found.setdefault(kind, {})[id] = record
        return found

    def write(self, kind: str, record: dict[str, Any]) -> None:
        """Keep the state of a thing; `record` has its id."""
        self._file.write(_line(kind, record))
        self._file.flush()

    def clear(self) -> None:
        """Forget everything."""
        self._file.truncate(0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(kind: str, record: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, **record}) + "\n"
