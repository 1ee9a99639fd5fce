"""What a generation is made from: a video or an image, and a voice."""

from __future__ import annotations

from typing import Literal

import attrs

from sync_async.types._model import RequestObject

SegmentSecs = list[list[float]]
SegmentFrames = list[list[int]]


class InputItem(RequestObject):
    """What all inputs are, so that a list of several kinds has a type that the methods take."""

    __slots__ = ()


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Video(InputItem):
    """A video to be lip-synced: exactly one of `url` and `asset_id`.

    Args:
        url: A publicly readable http(s) URL, or one hosted by sync.so.
        asset_id: The id of an asset of type VIDEO.
        ref_id: A name for this input.
        segments_secs: Deprecated: `[start, end]` pairs in seconds; use `segments` of the request.
        segments_frames: Deprecated: `[start, end]` pairs in frames; use `segments` of the request.
    """

    type: Literal["video"] = "video"
    url: str | None = None
    asset_id: str | None = None
    ref_id: str | None = None
    segments_secs: SegmentSecs | None = attrs.field(default=None, metadata={"wire": "segments_secs"})
    segments_frames: SegmentFrames | None = attrs.field(default=None, metadata={"wire": "segments_frames"})


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Image(InputItem):
    """A JPEG, PNG or WebP picture of a face, for `sync-3`: exactly one of `url` and `asset_id`."""

    type: Literal["image"] = "image"
    url: str | None = None
    asset_id: str | None = None
    ref_id: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Audio(InputItem):
    """A recorded voice: exactly one of `url` and `asset_id`.

    Args:
        url: A publicly readable http(s) URL, or one hosted by sync.so.
        asset_id: The id of an asset of type AUDIO.
        ref_id: The name by which segments refer to this voice; needed with `segments`.
    """

    type: Literal["audio"] = "audio"
    url: str | None = None
    asset_id: str | None = None
    ref_id: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ElevenLabs(RequestObject):
    """Speech made by ElevenLabs.

    Args:
        voice_id: A sync.so voice, a cloned voice, or a voice id of the provider.
        script: What is said, 1 to 5000 characters.
        stability: 0 to 1; lower is more expressive.
        similarity_boost: 0 to 1; how close to the original voice.
    """

    name: Literal["elevenlabs"] = "elevenlabs"
    voice_id: str
    script: str
    stability: float | None = None
    similarity_boost: float | None = None


TtsProviderConfig = ElevenLabs


@attrs.frozen(kw_only=True, repr=False, eq=False)
class Tts(InputItem):
    """A voice that is synthesised from text before the generation starts.

    Args:
        provider: Who speaks, and what.
        ref_id: The name by which segments refer to this voice; needed with `segments`.
    """

    type: Literal["text"] = "text"
    provider: TtsProviderConfig
    ref_id: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class OtherInput(InputItem):
    """An input of a type that this version does not know; its fields are in `extra`."""

    type: str


Input = Video | Image | Audio | Tts | OtherInput
