"""How a generation is made: options, speaker selection, dubbing, segments."""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from sync_async.types._model import RequestObject

Model = Literal["sync-3", "lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "react-1"] | str
SyncMode = Literal["bounce", "loop", "cut_off", "silence", "remap"] | str
ModelMode = Literal["lips", "face", "head"] | str
Emotion = Literal["happy", "sad", "angry", "disgusted", "surprised", "neutral"] | str


@attrs.frozen(kw_only=True, repr=False, eq=False)
class ActiveSpeaker(RequestObject):
    """Which face is lip-synced: found automatically, by a point, or by boxes.

    Args:
        auto_detect: Find the active speaker; not for images.
        frame_number: The frame that `coordinates` refer to, from 0.
        coordinates: `[x, y]` on the face, in pixels of the source.
        bounding_boxes: One `[x1, y1, x2, y2]` or None a frame; excludes the two above.
        bounding_boxes_url: A JSON file with a `bounding_boxes` array; excludes all others.
    """

    SNAKE_CASE: ClassVar[bool] = True

    auto_detect: bool | None = None
    frame_number: int | None = None
    coordinates: list[float] | None = None
    bounding_boxes: list[list[float] | None] | None = None
    bounding_boxes_url: str | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationOptions(RequestObject):
    """Options of a generation; the server ignores those that the model does not take.

    Args:
        sync_mode: What happens when video and voice differ in length.
        model_mode: The region that `react-1` edits: `lips`, `face` or `head`.
        prompt: One emotion, for `react-1`.
        temperature: 0 to 1; higher is more expressive.
        active_speaker_detection: Which face is lip-synced.
        occlusion_detection_enabled: Handle things before the face; slower.
        reasoning_enabled: Unstable on the server.
        extra: Further options under the server's names; they are sent as they stand.
    """

    SNAKE_CASE: ClassVar[bool] = True

    sync_mode: SyncMode | None = None
    model_mode: ModelMode | None = None
    prompt: Emotion | None = None
    temperature: float | None = None
    active_speaker_detection: ActiveSpeaker | None = None
    occlusion_detection_enabled: bool | None = None
    reasoning_enabled: bool | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class SegmentAudioInput(RequestObject):
    """The voice of a segment, whole or cropped.

    Args:
        ref_id: The `ref_id` of one voice input.
        start_time: Where the crop starts, in seconds; only together with `end_time`.
        end_time: Where the crop ends, in seconds; only together with `start_time`.
    """

    ref_id: str
    start_time: float | None = None
    end_time: float | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class GenerationSegment(RequestObject):
    """A stretch of the video with a voice of its own.

    Args:
        start_time: In seconds, at most `end_time`.
        end_time: In seconds.
        audio_input: The voice of this stretch.
        options_override: `sync_mode`, `temperature`, `occlusion_detection_enabled` and
            `active_speaker_detection` for this stretch only.
    """

    start_time: float
    end_time: float
    audio_input: SegmentAudioInput
    options_override: GenerationOptions | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class DubParams(RequestObject):
    """Translate the speech of the video and lip-sync to the translation.

    Args:
        target_lang: The language code to translate to, such as `es`.
        source_lang: The language spoken; the server finds it when unset.
        provider_name: Who translates; None leaves it out of the request.
        num_speakers: Deprecated and ignored by the server; 0 to 50.
    """

    target_lang: str
    source_lang: str | None = None
    provider_name: Literal["elevenlabs"] | str | None = "elevenlabs"
    num_speakers: int | None = None


@attrs.frozen(kw_only=True, repr=False, eq=False)
class DialogueEdit(RequestObject):
    """A finished dialogue edit to be rendered, for `sync-3`."""

    id: str
