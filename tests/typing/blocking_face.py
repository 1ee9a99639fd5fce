"""The public API as a user sees it, for the type checkers: blocking, and under the vendor's names."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from sync import Sync as VendorSync
from sync.common import Video as VendorVideo
from sync.core.api_error import ApiError as VendorApiError
from sync_blocking import (
    Asset,
    Audio,
    BatchResponse,
    BatchResults,
    Generation,
    Items,
    ModelInfo,
    RawResponse,
    Sync,
    Video,
)


def use() -> None:
    """Call everything once."""
    with Sync(api_key="k") as client:
        assert_type(client, Sync)
        made = client.generations.create_with_files(model="lipsync-2", video="v.mp4", audio=("a.wav", b"x"))
        assert_type(made, Generation)
        assert_type(client.generations.wait(made.id, timeout=1.5, on_update=print), Generation)
        assert_type(client.generations.create(model="m", input=[Video(url="u"), Audio(url="u")]), Generation)
        assert_type(client.assets.get("a"), Asset)
        assert_type(client.batch.list(), list[BatchResponse])
        assert_type(client.lipsync("v.mp4", text="Hi.", voice_id="v", output="out.mp4"), Generation)
        assert_type(client.generations.wait_many([made.id]), Items[Generation])
        with client.assets.iter() as assets:
            assert_type(next(assets), Asset)
        for one in client.generations.iter():
            assert_type(one, Generation)
        assert_type(client.generations.download(made, "out.mp4"), Path)
        assert_type(client.batch.results("b"), BatchResults)
        assert_type(client.models.with_raw_response.list(), RawResponse[list[ModelInfo]])
    vendor = VendorSync(api_key="k")
    try:
        assert_type(vendor.generations.get("g"), Generation)
        vendor.generations.create(model="lipsync-2", input=[VendorVideo(url="u")])
    except VendorApiError as error:
        print(error.status_code, error.body)
