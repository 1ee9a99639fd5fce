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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

Match = Callable[[str], object]
WriteBody = Callable[[Mapping[str, Any]], JsonObject]
"""Writes the body of a row's values the long way."""


class Shape:
    """What rows that are alike have in common.

    Attributes:
        job: The row that was checked.
        columns: Its columns.
        gaps: The columns whose words fill the gaps, in their order.
        body: The bytes that are sent, with gaps, the last one for the output name.
        payload: Those that are hashed to find doubles.
        unnamed: Those that are hashed for the name of a row that has none.
    """

    __slots__ = ("body", "columns", "gaps", "job", "payload", "unnamed")

    def __init__(self, job: Any, columns: Columns, gaps: tuple[str, ...], texts: Sequence[str]) -> None:
        self.job = job
        self.columns = columns
        self.gaps = gaps
        body, self.payload, self.unnamed = texts
        self.body = f'{body[:-1]},"outputFileName":"%s"}}'  # it stands at the end, as it does the long way


Words = tuple[str, ...]
"""What fills the gaps of a row, as JSON has it."""


class AlikeRows:
    """Rows side by side, each of which is like a checked one; column by column, as there may be a million.

    Args:
        numbers: Their lines or rows of the manifest.
        item_ids: Their names.
        shapes: What each has in common with a checked one.
        words: What fills its gaps.

    Attributes:
        payloads: What each asks for, as `keys.payload_sha` gives it.
        doubles: The places of those that ask for the same as an earlier row.
    """

    __slots__ = ("doubles", "item_ids", "numbers", "payloads", "shapes", "words")

    def __init__(
        self, numbers: Sequence[int], item_ids: Sequence[str], shapes: Sequence[Shape], words: Sequence[Words]
    ) -> None:
        self.numbers = numbers
        self.item_ids = item_ids
        self.shapes = shapes
        self.words = words
        sha256 = hashlib.sha256
        self.payloads = [
            sha256((shape.payload % filling).encode()).digest()[:16]
            for shape, filling in zip(shapes, words, strict=True)
        ]
        self.doubles: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def bodies(self, output_names: Sequence[str]) -> list[bytes]:
        """Write what is sent for each, with plain output names."""
        return [
            (shape.body % (*filling, name)).encode()
            for shape, filling, name in zip(self.shapes, self.words, output_names, strict=True)
        ]


class Alike:
    """One row that is like a checked one, whose name may be taken."""

    __slots__ = ("item_id", "shape", "words")

    def __init__(self, item_id: str, shape: Shape, words: Words) -> None:
        self.item_id = item_id
        self.shape = shape
        self.words = words


def unnamed_ids(shapes: Iterable[Shape], words: Iterable[Words]) -> list[str]:
    """Name rows that have no names by what they ask for."""
    sha256 = hashlib.sha256
    return [
        f"p-{sha256((shape.unnamed % filling).encode()).hexdigest()[:16]}"
        for shape, filling in zip(shapes, words, strict=True)
    ]


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

    def find(self, rows: Sequence[RawRow]) -> list[Alike | None]:
        """Give those of the rows that are like one that was checked."""
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
        found = {number: row for shape, group in groups.items() for number, row in _alike(shape, group)}
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
        texts = [data.decode() for data in (frozen_body(body), payload_bytes(body), unnamed_bytes(body, {}))]
        orders = {_order(text, marks) for text in texts}
        gaps = orders.pop()
        if gaps is None or orders:
            return None
        return Shape(job, columns, gaps, [_with_gaps(text, marks) for text in texts])


def _those_with(rows: list[RawRow], column: str, are_plain: Match, is_plain: Match) -> list[RawRow]:
    with contextlib.suppress(TypeError):  # a cell is no text
        lines = "\n".join([raw.values[column] for raw in rows])
        if lines.count("\n") == len(rows) - 1 and are_plain(lines):
            return rows
    return [raw for raw in rows if type(raw.values[column]) is str and is_plain(raw.values[column])]


def _alike(shape: Shape, rows: list[RawRow]) -> Iterator[tuple[int, Alike]]:
    """Give the rows of a shape whose words are plain, by their numbers."""
    gaps, columns = shape.gaps, shape.columns
    plain = columns.plain(rows)
    words: list[Words] = [tuple([raw.values[name] for name in gaps]) for raw in plain]
    if columns.has_text:
        place = gaps.index(TEXT)
        words = [(*one[:place], encode_basestring(one[place])[1:-1], *one[place + 1 :]) for one in words]
    names = [raw.values[NAME] for raw in plain] if columns.has_name else unnamed_ids([shape] * len(plain), words)
    for raw, name, filling in zip(plain, names, words, strict=True):
        yield raw.number, Alike(name, shape, filling)


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


def _order(text: str, marks: Mapping[str, str]) -> tuple[str, ...] | None:
    """Give the order in which marks stand in a text; None when one of them is not there once."""
    if any(text.count(mark) != 1 for mark in marks.values()):
        return None
    return tuple(sorted(marks, key=lambda name: text.index(marks[name])))


def _with_gaps(text: str, marks: Mapping[str, str]) -> str:
    """Put gaps where the marks are."""
    text = text.replace("%", "%%")
    for mark in marks.values():
        text = text.replace(mark, "%s")
    return text
