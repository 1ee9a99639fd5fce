"""From a row of a manifest to a job: its body checked, its local files found, all its problems told.

A row is flat (`video`, `audio`, `options.sync_mode` …), the body of a create call with `item_id` and `priority`
beside it, or a record of `POST /v2/batch`.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import itertools
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from sync_async._errors import ArgumentError
from sync_async._generation_body import GenerationArguments
from sync_async._media import MIME_TYPES, kind_of, mime_type
from sync_async.bulk.alike import AlikeRows, Alikes, unnamed_bytes
from sync_async.bulk.cells import json_cell, listed, nested
from sync_async.bulk.keys import frozen_body, output_stem
from sync_async.bulk.manifest import CsvLines, Piece, RawRow, rows_of
from sync_async.bulk.plain_lines import LineReader
from sync_async.types._model import JsonObject
from sync_async.types.inputs import Audio, ElevenLabs, Image, Tts, Video
from sync_async.types.options import GenerationOptions

ENDPOINT = "/v2/generate"
OWN_COLUMNS = ("item_id", "priority", "video", "image", "audio", "text", "voice", "output_name")
MEDIA = {"video": Video, "image": Image, "audio": Audio}
BATCH_COLUMNS = frozenset({"request_id", "endpoint", "payload"})
LARGEST_FILE = 5 * 1024**3
LONGEST_ID = 200
SHOWN_OF_A_PATH = 200
MOST_PRIORITY = 1_000_000


@attrs.frozen(kw_only=True)
class Problem:
    """What is wrong with a row.

    Attributes:
        number: The line or row of the manifest.
        column: The column, or None when it is the row as a whole.
        reason: Why, and the way out.
    """

    number: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        where = f"row {self.number}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.reason}"


@attrs.frozen(kw_only=True)
class BulkRow:
    """A row that can be bought.

    Attributes:
        number: The line or row of the manifest.
        item_id: Its name, unique in the run.
        priority: Those with a higher one go first.
        body: The body of its create call, without the inputs that are local files.
        files: Those, by kind: `video`, `image`, `audio`.
    """

    number: int
    item_id: str
    priority: int = 0
    body: JsonObject
    files: Mapping[str, Path] = attrs.field(factory=dict)


ReadRow = tuple[RawRow, BulkRow | list[Problem]]
"""A row as it stands in the manifest, and what it is or what is wrong with it."""


class RowReader:
    """Turns rows of one manifest into jobs.

    Args:
        base: The folder against which paths are taken.
        defaults: Columns for rows that do not have them.
    """

    def __init__(self, base: Path, defaults: Mapping[str, Any] | None = None) -> None:
        self._base = base
        self._defaults = dict(defaults or {})
        self._names: set[int] = set()
        self._unnamed: dict[str, int] = {}
        self._alikes = Alikes()
        self._lines: LineReader | None = None

    def read_piece(self, piece: Piece) -> list[AlikeRows | ReadRow]:
        """Give what `read` gives; rows that are like some of an earlier piece the short way."""
        if isinstance(piece, CsvLines):
            if self._lines is None:
                self._lines = LineReader(piece.header, self._alikes)
            found = self._lines.read(piece)
            if found is not None and self._takes_all(found.item_ids):
                numbers = range(piece.number, piece.number + len(piece.lines))
                return [AlikeRows(numbers, found.item_ids, found.shapes, found.words)]
        return self._read_many(list(rows_of(piece)))

    def _read_many(self, rows: Sequence[RawRow]) -> list[AlikeRows | ReadRow]:
        made: list[AlikeRows | ReadRow] = []
        alikes = zip(rows, self._alikes.find(rows), strict=True)
        taken = (
            (raw, alike if alike is not None and self._takes(alike.item_id) else None) for raw, alike in alikes
        )
        for is_alike, group in itertools.groupby(taken, key=lambda one: one[1] is not None):
            if is_alike:
                numbers, found = zip(
                    *((raw.number, alike) for raw, alike in group if alike is not None), strict=True
                )
                ids, shapes, words = zip(*((one.item_id, one.shape, one.words) for one in found), strict=True)
                made.append(AlikeRows(numbers, ids, shapes, words))
            else:
                made += (self._learned(raw) for raw, _ in group)
        return made

    def _learned(self, raw: RawRow) -> ReadRow:
        read = self.read(raw)
        if isinstance(read, BulkRow):
            self._alikes.learn(raw, read, functools.partial(self._body, is_text=raw.is_text))
        return raw, read

    def read(self, raw: RawRow) -> BulkRow | list[Problem]:
        """Give the job of a row, or all that is wrong with it."""
        if raw.problem is not None:
            return [Problem(number=raw.number, column=None, reason=raw.problem)]
        try:
            values = self._values(raw.values)
            if unknown := [_unknown(raw.number, name) for name in values if not _is_known(name)]:
                return unknown
            return self._job(raw, values)
        except ArgumentError as error:
            return [_problem_of(raw.number, error)]

    def _values(self, values: Mapping[str, Any]) -> dict[Any, Any]:
        if BATCH_COLUMNS & values.keys():
            values = _of_record(values)
        return {**self._defaults, **{_column_of(name): value for name, value in values.items()}}

    def _takes(self, stem: str) -> bool:
        """Take the stem of a row's files, unless it, or one that differs in case only, is taken."""
        # a hash for each row, since the names of a million rows would be too much to keep
        name = hash(stem.lower())
        if name in self._names:
            return False
        self._names.add(name)
        return True

    def _takes_all(self, stems: Sequence[str]) -> bool:
        """Take plain stems, unless one of them, or one that differs in case only, is taken: then none is."""
        names = set(map(hash, "\n".join(stems).lower().split("\n")))
        if len(names) < len(stems) or not self._names.isdisjoint(names):
            return False
        self._names |= names
        return True

    def name_of(self, raw: RawRow) -> str:
        """Name a row that cannot be bought: by its own name, or else by its number."""
        own = raw.values.get("item_id", raw.values.get("request_id"))
        names = [] if own is None else [own]
        for name in [*names, f"row-{raw.number}", *(f"row-{raw.number}-{turn}" for turn in range(2, 100))]:
            with contextlib.suppress(ArgumentError):  # it is no name, or taken
                item_id = _checked_id(name)
                self._claim(item_id)
                return item_id
        raise ArgumentError("item_id", f"row {raw.number} can be given no name")

    def _job(self, raw: RawRow, values: Mapping[str, Any]) -> BulkRow:
        body, files = self._body_of(values, is_text=raw.is_text)
        _check_can_be_written(body)
        item_id = self._item_id(values, body, files)
        self._claim(item_id)
        return BulkRow(
            number=raw.number, item_id=item_id, priority=_priority(values.get("priority")), body=body, files=files
        )

    def _body(self, values: Mapping[str, Any], *, is_text: bool) -> JsonObject:
        return self._body_of(self._values(values), is_text=is_text)[0]

    def _body_of(self, values: Mapping[str, Any], *, is_text: bool) -> tuple[JsonObject, dict[str, Path]]:
        arguments, files = self._arguments(values, is_text=is_text)
        return GenerationArguments(**arguments).to_wire(tuple(files)), files

    def _arguments(self, values: Mapping[str, Any], *, is_text: bool) -> tuple[dict[str, Any], dict[str, Path]]:
        arguments: dict[str, Any] = {"model": values.get("model")}
        inputs, files = list(listed(values.get("input"), is_text=is_text)), dict[str, Path]()
        for kind, shape in MEDIA.items():
            if kind in values:
                medium = self._medium(kind, values[kind])
                if isinstance(medium, Path):
                    files[kind] = medium
                else:
                    inputs.append(shape(**medium))
        if "text" in values or "voice" in values:
            inputs.append(_speech(values.get("text"), values.get("voice")))
        arguments["input"] = inputs or None
        arguments["output_file_name"] = values.get("output_name", values.get("output_file_name"))
        for name in ("webhook_url", "project_id"):
            arguments[name] = values.get(name)
        for name in ("options", "segments", "dub_params", "dialogue_edit"):
            arguments[name] = nested(name, values, is_text=is_text)
        return arguments, files

    def _medium(self, kind: str, value: Any) -> dict[str, str] | Path:
        if isinstance(value, Path):
            return self._file(kind, value)
        if not isinstance(value, str):
            raise ArgumentError(kind, f"{value!r} is no URL, no asset:ID and no path")
        if value.startswith(("http://", "https://")):
            return {"url": value}
        if value.startswith("asset:"):
            return {"asset_id": value.removeprefix("asset:").strip()}
        return self._file(kind, Path(value))

    def _file(self, kind: str, given: Path) -> Path:
        path = given if given.is_absolute() else self._base / given
        shown = repr(str(path) if len(str(path)) <= SHOWN_OF_A_PATH else f"{str(path)[:SHOWN_OF_A_PATH]}…")
        try:
            status = path.stat()
            if not stat.S_ISDIR(status.st_mode):
                with path.open("rb"):
                    pass
        except FileNotFoundError:
            near = difflib.get_close_matches(path.name, _names_beside(path), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ArgumentError(kind, f"there is no file {shown}{hint}") from None
        except OSError as error:
            raise ArgumentError(kind, f"{shown} cannot be read: {error.strerror}") from error
        except ValueError as error:  # a name that no file can have
            raise ArgumentError(kind, f"{shown} cannot be read: {error}") from error
        if stat.S_ISDIR(status.st_mode):
            raise ArgumentError(kind, f"{shown} is a directory")
        if not 0 < status.st_size <= LARGEST_FILE:
            raise ArgumentError(kind, f"{shown} " + ("has more than 5 GiB" if status.st_size else "is empty"))
        found = kind_of(mime_type(path.name, kind) or "")
        if found is None:
            raise ArgumentError(
                kind, f"{path.name!r} is of no known type; there are {' '.join(sorted(MIME_TYPES))}"
            )
        if found != kind:
            raise ArgumentError(kind, f"{path.name!r} is of type {found}; it belongs into the column {found}")
        return path

    def _item_id(self, values: Mapping[str, Any], body: JsonObject, files: Mapping[str, Path]) -> str:
        """Take the row's own name, or make one of what it asks for, the same wherever the row stands."""
        if "item_id" in values:
            return _checked_id(values["item_id"])
        name = f"p-{hashlib.sha256(unnamed_bytes(body, _as_text(files))).hexdigest()[:16]}"
        if hash(name) not in self._names:
            return name
        count = self._unnamed[name] = self._unnamed.get(name, 1) + 1
        return f"{name}-{count}"

    def _claim(self, item_id: str) -> None:
        if not self._takes(output_stem(item_id)):
            raise ArgumentError(
                "item_id",
                f"{item_id!r} stands twice, or differs from another in case or signs only; outputs need names",
            )


def _as_text(files: Mapping[str, Path]) -> dict[str, str]:
    return {kind: str(path) for kind, path in files.items()}


def _known_columns() -> Iterator[str]:
    yield from OWN_COLUMNS
    yield from attrs.fields_dict(GenerationArguments)
    for field in attrs.fields(GenerationOptions):
        if field.init and field.alias != "extra":
            yield f"options.{field.alias}"


def _is_known(name: str) -> bool:
    if not isinstance(name, str):
        return False
    head, dot, _ = name.partition(".")
    return name in KNOWN or (bool(dot) and head in ("dub_params", "dialogue_edit")) or _is_deep_option(name)


def _is_deep_option(name: str) -> bool:
    return any(name.startswith(f"{known}.") for known in KNOWN if known.startswith("options."))


KNOWN = frozenset(_known_columns())


def _column_of(name: Any) -> Any:
    """Take the API's own spelling for a column, too."""
    snake = _snake(name)
    return snake if snake in KNOWN else name


def _told(name: Any) -> str:
    """Write a column that is wrong: it may be anything, also text that has no bytes."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _unknown(number: int, name: Any) -> Problem:
    near = difflib.get_close_matches(str(name).replace("-", "_").lower(), KNOWN, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(KNOWN))}"
    return Problem(number=number, column=_told(name), reason=f"there is no such column; {hint}")


def _of_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Take a record of the batch API apart, whose payload is the body of a create call."""
    if more := values.keys() - BATCH_COLUMNS - {"priority"}:
        raise ArgumentError(_told(min(more, key=str)), "it does not belong into a record of the batch API")
    if values.get("endpoint", ENDPOINT) != ENDPOINT:
        raise ArgumentError("endpoint", f"{values['endpoint']!r} is not {ENDPOINT!r}")
    payload = values.get("payload")
    if isinstance(payload, str):  # as in a cell of a CSV file
        payload = json_cell("payload", payload)
    if not isinstance(payload, Mapping):
        raise ArgumentError("payload", "it is missing; it is the JSON body of a generation")
    record = {_snake(name): value for name, value in payload.items()}
    if "request_id" not in values:
        raise ArgumentError("request_id", "it is missing; each record needs one of its own")
    record["item_id"] = values["request_id"]
    return {**record, **({"priority": values["priority"]} if "priority" in values else {})}


def _snake(name: Any) -> Any:
    return (
        name
        if not isinstance(name, str)
        else re.sub(r"(?<=[a-z])([A-Z])", lambda found: "_" + found[1].lower(), name)
    )


def _speech(text: Any, voice: Any) -> Tts:
    if text is None or voice is None:
        missing = "text" if text is None else "voice"
        raise ArgumentError(missing, "text and voice belong together: what is said, and who says it")
    return Tts(provider=ElevenLabs(voice_id=str(voice), script=str(text)))


def _priority(value: Any) -> int:
    try:
        number = int(value or 0)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentError("priority", f"{value!r} is not a whole number") from None
    if (value and not isinstance(value, str) and value != number) or abs(number) > MOST_PRIORITY:
        raise ArgumentError("priority", f"{value!r} is not a whole number of at most {MOST_PRIORITY:,}")
    return number


def _checked_id(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip() or len(text) > LONGEST_ID or not text.isprintable():
        raise ArgumentError("item_id", f"{value!r} is not a name of 1 to {LONGEST_ID} printable characters")
    return text.strip()


def _check_can_be_written(body: JsonObject) -> None:
    """See that a body has bytes: half of a surrogate pair has none, nor has a number that is not finite."""
    try:
        frozen_body(body)
    except ArgumentError as whole:
        for name, value in body.items():
            try:
                frozen_body({name: value})
            except ArgumentError as error:
                raise ArgumentError(_snake(name), str(error).removeprefix(f"{error.argument}: ")) from whole
        raise


def _names_beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()][:10_000]
    except OSError:
        return []


def _problem_of(number: int, error: ArgumentError) -> Problem:
    column = "output_name" if error.argument == "output_file_name" else error.argument
    return Problem(number=number, column=column, reason=str(error).removeprefix(f"{error.argument}: "))
