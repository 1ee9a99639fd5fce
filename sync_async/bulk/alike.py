"""Rows that are like one that was checked: they differ from it in names, addresses and texts, and in nothing else.

To check a row and to write its body takes 50 µs, and a manifest may have a million. So the bytes of a checked row
are kept with gaps where its own words stood, and a row like it fills the gaps. What is kept was written by the
same code with other words, so that both ways give the same bytes; a row whose words are not plain goes the long
way.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring  # what `json.dumps` uses for text that need not be ASCII
from operator import itemgetter
from typing import Any

from sync_async._errors import ArgumentError
from sync_async.bulk.keys import frozen_body, payload_bytes
from sync_async.bulk.manifest import RawRow
from sync_async.types._model import JsonObject

MEDIA = ("video", "image", "audio")
TEXT = "text"
NAME = "item_id"
VARIED = frozenset({NAME, TEXT, *MEDIA})
"""Columns in which rows that are alike may differ."""
is_plain_name = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_-])?").fullmatch
HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::\d{1,5})?"
is_plain_address = re.compile(rf"https?://{HOST}/[A-Za-z0-9._~/+@-]{{0,2000}}").fullmatch
"""An address without a query, which is no signed one that may have expired."""
MOST_SHAPES = 1_000
"""Rows of more kinds than that are not alike, and looking for it would be in vain."""

WriteBody = Callable[[Mapping[str, Any]], JsonObject]
"""Writes the body of a row's values the long way."""


class Shape:
    """What rows that are alike have in common.

    Attributes:
        job: The row that was checked.
        body, payload, unnamed: Its bytes with gaps: what is sent, what is hashed to find doubles, and what is
            hashed for the name of a row that has none.
    """

    __slots__ = ("body", "job", "payload", "unnamed")

    def __init__(self, job: Any, body: str, payload: str, unnamed: str) -> None:
        self.job = job
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
    """

    __slots__ = ("is_double", "item_id", "number", "payload", "shape", "words")

    def __init__(self, number: int, item_id: str, shape: Shape, words: Mapping[str, str]) -> None:
        self.number = number
        self.item_id = item_id
        self.shape = shape
        self.words = words
        self.payload = hashlib.sha256((shape.payload % words).encode()).digest()[:16]
        self.is_double = False

    def body(self, output_name: str) -> bytes:
        """Write the body, with a plain output name; it stands at the end, as it does the long way."""
        return f'{(self.shape.body % self.words)[:-1]},"outputFileName":"{output_name}"}}'.encode()


class _Columns:
    """Which of a row's columns vary; the same for each row with these columns."""

    __slots__ = ("addresses", "fixed", "has_name", "has_text", "shapes")

    def __init__(self, names: tuple[str, ...]) -> None:
        fixed = [name for name in names if name not in VARIED]
        self.fixed = itemgetter(*fixed) if fixed else lambda _: ()
        self.addresses = [name for name in names if name in MEDIA]
        self.has_name = NAME in names
        self.has_text = TEXT in names
        self.shapes: dict[Any, Shape | None] = {}


class Alikes:
    """The shapes of one manifest's rows."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, ...], _Columns] = {}
        self._left = MOST_SHAPES
        self._token = secrets.token_hex(12)

    def row(self, raw: RawRow, name: Callable[[str], str | None]) -> AlikeRow | None:
        """Give the row when it is like one that was checked, else None.

        Args:
            raw: The row.
            name: Takes a name, and gives it as it is from then on; None when it is taken.
        """
        values = raw.values
        columns = self._columns.get(tuple(values))
        if columns is None:
            return None
        try:
            shape = columns.shapes.get(_key(columns, raw))
        except TypeError:  # a list or an object
            return None
        if shape is None:
            return None
        words = self._words(columns, values)
        if words is None:
            return None
        if columns.has_name:
            given = values[NAME]
            item_id = name(given) if type(given) is str and is_plain_name(given) else None
        else:
            item_id = name(f"p-{hashlib.sha256((shape.unnamed % words).encode()).hexdigest()[:16]}")
        return None if item_id is None else AlikeRow(raw.number, item_id, shape, words)

    def _words(self, columns: _Columns, values: Mapping[str, Any]) -> Mapping[str, str] | None:
        """Give the words as JSON has them; None when one of them is not plain."""
        for name in columns.addresses:
            value = values[name]
            if type(value) is not str or not is_plain_address(value):
                return None
        if not columns.has_text:
            return values
        text = values[TEXT]
        if type(text) is not str or not _is_unicode(text):
            return None
        return {**values, TEXT: encode_basestring(text)[1:-1]}

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
            columns = self._columns[names] = _Columns(names)
        try:
            key = _key(columns, raw)
            if key not in columns.shapes:  # one of its kind is not worth it
                columns.shapes[key] = None
                self._left -= 1
                return
        except TypeError:
            return
        if columns.shapes[key] is None and self._words(columns, raw.values) is not None:
            columns.shapes[key] = self._shape(columns, raw, job, write)

    def _shape(self, columns: _Columns, raw: RawRow, job: Any, write: WriteBody) -> Shape | None:
        marks = {name: f"https://{self._token}-{name}.example/" for name in columns.addresses}
        if columns.has_text:
            marks[TEXT] = f"{self._token} {TEXT}"
        try:
            body = write({**raw.values, **marks})
        except ArgumentError:  # these words are not taken where others are
            return None
        whole = (frozen_body(body), payload_bytes(body), unnamed_bytes(body, {}))
        gaps = [found for data in whole if (found := _with_gaps(data.decode(), marks)) is not None]
        return Shape(job, *gaps) if len(gaps) == len(whole) else None


def _is_unicode(text: str) -> bool:
    """Tell whether a text can be written, which half of a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unnamed_bytes(body: JsonObject, files: Mapping[str, str]) -> bytes:
    """Give what the name of a row that has none is made of."""
    return frozen_body({**body, "files": dict(files)})


def _key(columns: _Columns, raw: RawRow) -> Any:
    fixed = columns.fixed(raw.values)
    if raw.is_text:
        return fixed
    return (fixed, tuple(map(type, fixed)) if type(fixed) is tuple else type(fixed))  # 1, 1.0 and True are equal


def _with_gaps(text: str, marks: Mapping[str, str]) -> str | None:
    """Put gaps where the marks are; None when one of them is not there once."""
    text = text.replace("%", "%%")
    for name, mark in marks.items():
        if text.count(mark) != 1:
            return None
        text = text.replace(mark, f"%({name})s")
    return text
