"""Rows that are like one that was checked: they differ from it in names, addresses and texts, and in nothing else.

To check a row and to write its body takes 50 µs, and a manifest may have a million. So the bytes of a checked row
are kept with gaps where its own words stood, and a row like it fills the gaps. What is kept was written by the
same code with other words, so that both ways give the same bytes; a row whose words are not plain goes the long
way.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring  # what `json.dumps` uses for text that need not be ASCII
from operator import itemgetter
from typing import Any

from sync_async._errors import ArgumentError
from sync_async.bulk.keys import frozen_body, payload_bytes
from sync_async.bulk.manifest import RawRow
from sync_async.types._model import JsonObject


def _matchers(pattern: str) -> tuple[Callable[[str], object], Callable[[str], object]]:
    """Give what tells whether a text is like a pattern, and whether each line of a text is."""
    return re.compile(pattern, re.ASCII).fullmatch, re.compile(rf"(?:{pattern}\n)*{pattern}", re.ASCII).fullmatch


MEDIA = ("video", "image", "audio")
TEXT = "text"
NAME = "item_id"
VARIED = frozenset({NAME, TEXT, *MEDIA})
"""Columns in which rows that are alike may differ."""
PLAIN_NAME = r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_-])?"
HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?"
PLAIN_ADDRESS = rf"https?://{HOST}/[A-Za-z0-9._~/+@-]{{0,2000}}"
"""Without a query: no signed address, which may have expired."""
is_plain_name, are_plain_names = _matchers(PLAIN_NAME)
is_plain_address, are_plain_addresses = _matchers(PLAIN_ADDRESS)
MOST_SHAPES = 1_000
"""Rows of more kinds than that are not alike, and looking for it would be in vain."""

Words = Mapping[str, Any]
Match = Callable[[str], object]
WriteBody = Callable[[Mapping[str, Any]], JsonObject]
"""Writes the body of a row's values the long way."""


class Shape:
    """What rows that are alike have in common.

    Attributes:
        job: The row that was checked.
        columns: Its columns.
        body, payload, unnamed: Its bytes with gaps: what is sent, what is hashed to find doubles, and what is
            hashed for the name of a row that has none.
    """

    __slots__ = ("body", "columns", "job", "payload", "unnamed")

    def __init__(self, job: Any, columns: Columns, body: str, payload: str, unnamed: str) -> None:
        self.job = job
        self.columns = columns
        self.body = body
        self.payload = payload
        self.unnamed = unnamed


class AlikeRow:
    """A row that is like a checked one.

    Attributes:
        number: The line or row of the manifest.
        item_id: Its name.
        shape: What it has in common with that one.
        words: The words for the gaps, as JSON has them.
        payload: What it asks for, as `keys.payload_sha` gives it.
        is_double: Whether an earlier row asks for the same.
    """

    __slots__ = ("is_double", "item_id", "number", "payload", "shape", "words")

    def __init__(self, number: int, item_id: str, shape: Shape, words: Words, payload: bytes) -> None:
        self.number = number
        self.item_id = item_id
        self.shape = shape
        self.words = words
        self.payload = payload
        self.is_double = False

    def body(self, output_name: str) -> bytes:
        """Write the body, with a plain output name; it stands at the end, as it does the long way."""
        return f'{(self.shape.body % self.words)[:-1]},"outputFileName":"{output_name}"}}'.encode()


class Columns:
    """Which of a row's columns vary; the same for each row with these columns."""

    __slots__ = ("addresses", "fixed", "has_name", "has_text", "shapes")

    def __init__(self, names: tuple[str, ...]) -> None:
        fixed = [name for name in names if name not in VARIED]
        self.fixed = itemgetter(*fixed) if fixed else lambda _: ()
        self.addresses = [name for name in names if name in MEDIA]
        self.has_name = NAME in names
        self.has_text = TEXT in names
        self.shapes: dict[Any, Shape | None] = {}

    def key(self, raw: RawRow) -> Any:
        """Give what rows have in common that are alike.

        Raises:
            TypeError: Among it is a list or an object.
        """
        fixed = self.fixed(raw.values)
        if raw.is_text:
            return fixed
        return (
            fixed,
            tuple(map(type, fixed)) if type(fixed) is tuple else type(fixed),
        )  # 1, 1.0 and True are equal

    def plain(self, rows: list[RawRow]) -> list[RawRow]:
        """Give the rows whose words are plain: mostly all, so that they are looked at together first."""
        for name in self.addresses:
            rows = _those_with(rows, name, are_plain_addresses, is_plain_address)
        if self.has_name:
            rows = _those_with(rows, NAME, are_plain_names, is_plain_name)
        if self.has_text:
            rows = [raw for raw in rows if _is_unicode(raw.values[TEXT])]
        return rows


class Alikes:
    """The shapes of one manifest's rows."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, ...], Columns] = {}
        self._left = MOST_SHAPES
        self._token = secrets.token_hex(12)

    def find(self, rows: Sequence[RawRow]) -> list[AlikeRow | None]:
        """Give those of the rows that are like one that was checked; their names may be taken."""
        groups = dict[Shape, list[RawRow]]()
        for raw in rows:
            columns = self._columns.get(tuple(raw.values))
            if columns is None:
                continue
            try:
                shape = columns.shapes.get(columns.key(raw))
            except TypeError:
                continue
            if shape is not None:
                groups.setdefault(shape, []).append(raw)
        if not groups:
            return [None] * len(rows)
        found = {row.number: row for shape, group in groups.items() for row in _alike(shape, group)}
        return [found.get(raw.number) for raw in rows]

    def learn(self, raw: RawRow, job: Any, write: WriteBody) -> None:
        """Keep the shape of a row that was checked, when it comes for the second time.

        Args:
            raw: The row.
            job: What it is.
            write: Writes the body of such a row.
        """
        if not self._left or job.files or "outputFileName" in job.body:
            return
        names = tuple(raw.values)
        columns = self._columns.get(names)
        if columns is None:
            columns = self._columns[names] = Columns(names)
        try:
            key = columns.key(raw)
            if key not in columns.shapes:  # one of its kind is not worth it
                columns.shapes[key] = None
                self._left -= 1
                return
        except TypeError:
            return
        if columns.shapes[key] is None and columns.plain([raw]):
            columns.shapes[key] = self._shape(columns, raw, job, write)

    def _shape(self, columns: Columns, raw: RawRow, job: Any, write: WriteBody) -> Shape | None:
        marks = {name: f"https://{self._token}-{name}.example/" for name in columns.addresses}
        if columns.has_text:
            marks[TEXT] = f"{self._token} {TEXT}"
        try:
            body = write({**raw.values, **marks})
        except ArgumentError:  # these words are not taken where others are
            return None
        whole = (frozen_body(body), payload_bytes(body), unnamed_bytes(body, {}))
        gaps = [found for data in whole if (found := _with_gaps(data.decode(), marks)) is not None]
        return Shape(job, columns, *gaps) if len(gaps) == len(whole) else None


def _those_with(rows: list[RawRow], column: str, are_plain: Match, is_plain: Match) -> list[RawRow]:
    with contextlib.suppress(TypeError):  # a cell is no text
        lines = "\n".join([raw.values[column] for raw in rows])
        if lines.count("\n") == len(rows) - 1 and are_plain(lines):
            return rows
    return [raw for raw in rows if type(raw.values[column]) is str and is_plain(raw.values[column])]


def _alike(shape: Shape, rows: list[RawRow]) -> Iterator[AlikeRow]:
    """Make the rows of a shape whose words are plain."""
    has_name, has_text, payload, sha256 = (
        shape.columns.has_name,
        shape.columns.has_text,
        shape.payload,
        hashlib.sha256,
    )
    for raw in shape.columns.plain(rows):
        words: Words = raw.values
        if has_text:
            words = {**words, TEXT: encode_basestring(words[TEXT])[1:-1]}
        name = words[NAME] if has_name else f"p-{sha256((shape.unnamed % words).encode()).hexdigest()[:16]}"
        yield AlikeRow(raw.number, name, shape, words, sha256((payload % words).encode()).digest()[:16])


def _is_unicode(text: Any) -> bool:
    """Tell whether something is a text that can be written, which half of a surrogate pair cannot."""
    if type(text) is not str:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unnamed_bytes(body: JsonObject, files: Mapping[str, str]) -> bytes:
    """Give what the name of a row that has none is made of."""
    return frozen_body({**body, "files": dict(files)})


def _with_gaps(text: str, marks: Mapping[str, str]) -> str | None:
    """Put gaps where the marks are; None when one of them is not there once."""
    text = text.replace("%", "%%")
    for name, mark in marks.items():
        if text.count(mark) != 1:
            return None
        text = text.replace(mark, f"%({name})s")
    return text
