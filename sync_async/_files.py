"""What callers give as a file."""

from __future__ import annotations

import os
from typing import IO, Any

FileContent = IO[bytes] | bytes | str | os.PathLike[str]
File = (
    FileContent
    | tuple[str | None, FileContent]
    | tuple[str | None, FileContent, str | None]
    | tuple[str | None, FileContent, str | None, Any]
)
"""A file to send: a path, bytes, an open binary file, or a tuple `(name, content[, content type])` as httpx
takes it, whose content may be bytes, text or an open file."""
