"""Uploads and outputs: files on disk, their addresses, and the signatures of those.

The real service keeps media on other hosts than the API; how they are served stands in `storage_routes`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import attrs

from sync_async.sandbox.settings import SandboxSettings

AREAS = ("uploads", "outputs", "batches", "renders", "fetched")
Verdict = Literal["valid", "expired", "wrong"]


@attrs.frozen
class Leak:
    """A request to the storage origin that carried credentials."""

    method: str
    path: str
    header: str


@attrs.frozen
class Announced:
    """An upload that was presigned."""

    name: str
    content_type: str
    size: int


class Storage:
    """The files of a sandbox, under the address of their origin."""

    def __init__(self, settings: SandboxSettings, folder: Path) -> None:
        self._settings = settings
        self._serial = itertools.count()
        self.announced: dict[str, Announced] = {}
        self.folder = folder
        self.base_url = ""
        self.leaks: list[Leak] = []
        for name in AREAS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        self._secret = _kept_secret(folder / "signing.key")

    def presign(self, name: str, content_type: str, size: int) -> tuple[str, str]:
        """Announce an upload; give the URL to send it to, and its later address."""
        key, name = secrets.token_hex(8), _path_name(name)
        self.announced[key] = Announced(name, content_type, size)
        path = f"/uploads/{key}/{quote(name, safe='')}"
        expires = int(time.time()) + self._settings.presign_lifetime
        signature = self._sign(f"PUT /uploads/{key}/{name}", expires)
        return f"{self.base_url}{path}?expires={expires}&sig={signature}", self.base_url + path

    def new_upload(self, name: str) -> tuple[Path, str]:
        """Make room for a file that comes with a form; give its path and its address."""
        key, name = secrets.token_hex(8), _path_name(name)
        (self.folder / "uploads" / key).mkdir()
        return self.upload_path(key, name), f"{self.base_url}/uploads/{key}/{quote(name, safe='')}"

    def upload_path(self, key: str, name: str) -> Path:
        """Give the place of an upload."""
        return self.folder / "uploads" / key / safe_name(name)

    def path_of(self, url: str) -> Path | None:
        """Give the file behind an asset's address, if it is one of this storage and the file is there."""
        if not self.is_own(url):
            return None
        match = re.fullmatch(r"/uploads/([0-9a-f]+)/([^/]+)", urlsplit(url).path)
        if match is None:
            return None
        path = self.upload_path(match[1], unquote(match[2]))
        return path if path.is_file() else None

    def is_own(self, url: str) -> bool:
        """Tell whether an address is of this storage."""
        return url.startswith(self.base_url + "/")

    def link(self, area: str, name: str) -> str:
        """Give a signed link, another one each time, unless the settings say otherwise."""
        expires = int(time.time()) + self._settings.output_lifetime
        serial = next(self._serial)
        if not self._settings.fresh_links:
            expires, serial = _stable_end(expires, self._settings.output_lifetime), 0
        signature = self._sign(f"GET /{area}/{name} {serial}", expires)
        return f"{self.base_url}/{area}/{quote(name)}?expires={expires}&n={serial}&sig={signature}"

    def asset_link(self, url: str) -> str:
        """Give the address of an asset as the API shows it: for ever, or signed for a while."""
        if self._settings.asset_lifetime is None or not self.is_own(url):
            return url
        expires = int(time.time()) + self._settings.asset_lifetime
        path = unquote(urlsplit(url).path)
        return f"{url.partition('?')[0]}?expires={expires}&sig={self._sign(f'GET {path}', expires)}"

    def _sign(self, what: str, expires: int) -> str:
        return hmac.new(self._secret, f"{what} {expires}".encode(), hashlib.sha256).hexdigest()[:32]

    def verify(self, what: str, query: Mapping[str, str]) -> Verdict:
        """Check the signature of an address; `what` is its method and path, and serial if it has one."""
        expires = query.get("expires", "")
        if not re.fullmatch(r"-?[0-9]{1,15}", expires):
            return "wrong"
        if not hmac.compare_digest(query.get("sig", "").encode(), self._sign(what, int(expires)).encode()):
            return "wrong"
        return "valid" if int(expires) >= time.time() else "expired"

    def asset_needs_signature(self) -> bool:
        """Tell whether the addresses of assets end."""
        return self._settings.asset_lifetime is not None

    def clear(self) -> None:
        """Delete all files."""
        for name in AREAS:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.announced.clear()
        self.leaks.clear()


def _stable_end(expires: int, lifetime: int) -> int:
    """Round a time up, so that links that are made close to each other are the same."""
    step = max(1, lifetime)
    return -(-expires // step) * step


def _kept_secret(path: Path) -> bytes:
    """Read the secret of the links, or make it; kept, so that links survive a restart on the same ports."""
    if not path.exists():
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()


def _path_name(name: str) -> str:
    """Give the name under which a file is served; dots alone mean folders in a URL."""
    return name if name.strip(".") else "file"


def safe_name(name: str) -> str:
    """Make a file name of any name."""
    short = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")
    return short[-120:].lstrip(".") or "file"
