"""The frames of a video, at hand in any order."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

RAW_BYTES = 96 * 1024**2
"""Up to here frames are kept as they are. A minute of 720p would be 2 GB, so the others are kept as JPEG."""
JPEG_QUALITY = "3"


class FrameStore:
    """Frames of one size in yuv420p, by number."""

    def __init__(self, frames: Iterable[VideoFrame], raw_bytes: int = RAW_BYTES) -> None:
        self._left = raw_bytes
        self._raw: list[VideoFrame] = []
        self._packed: list[bytes] = []
        self._encoder: Any = None
        self._decoder: Any = None
        for frame in frames:
            self._keep(frame)

    def _keep(self, frame: VideoFrame) -> None:
        self._left -= sum(plane.buffer_size for plane in frame.planes)
        if self._left >= 0:
            self._raw.append(frame)
        else:
            self._packed.append(self._pack(frame))

    def __len__(self) -> int:
        return len(self._raw) + len(self._packed)

    def __getitem__(self, number: int) -> VideoFrame:
        if number < len(self._raw):
            return self._raw[number]
        return self._unpack(self._packed[number - len(self._raw)])

    def _pack(self, frame: VideoFrame) -> bytes:
        from av import CodecContext

        if self._encoder is None:
            self._encoder = CodecContext.create("mjpeg", "w")
            self._encoder.width, self._encoder.height = frame.width, frame.height
            self._encoder.pix_fmt, self._encoder.time_base = "yuvj420p", Fraction(1, 25)
            self._encoder.options = {"qmin": JPEG_QUALITY, "qmax": JPEG_QUALITY}
        full = frame.reformat(format="yuvj420p", src_color_range="MPEG", dst_color_range="JPEG")
        full.pts, full.time_base = len(self._packed), Fraction(1, 25)
        return b"".join(bytes(packet) for packet in self._encoder.encode(full))

    def _unpack(self, packed: bytes) -> VideoFrame:
        from av import CodecContext, Packet

        if self._decoder is None:
            self._decoder = CodecContext.create("mjpeg", "r")
        frame: VideoFrame = self._decoder.decode(Packet(packed))[0]
        return frame.reformat(format="yuv420p", src_color_range="JPEG", dst_color_range="MPEG")
