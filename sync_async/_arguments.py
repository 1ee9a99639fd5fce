"""What can be seen to be wrong before anything is sent.

Only what cannot be right on any plan or model is refused; the rest is left to the server.
Source: https://sync.so/docs/api-reference/api/generate-api/create
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sync_async._errors import ArgumentError
from sync_async._request import path_segment
from sync_async.types._model import ApiObject
from sync_async.types.generations import Generation
from sync_async.types.inputs import Audio, Image, Input, InputItem, OtherInput, Tts, Video
from sync_async.types.options import DialogueEdit, DubParams, GenerationOptions, GenerationSegment

ModelT = TypeVar("ModelT", bound=ApiObject)

LONGEST_SCRIPT = 5000
OUTPUT_NAME = r"[A-Za-z0-9_-]{1,255}"


def checked_model(model: Any) -> str:
    """Check the name of a model; unknown names are the server's to judge."""
    if not isinstance(model, str) or not model.strip():
        raise ArgumentError(
            "model", f"{model!r} is no model's name; 'lipsync-2' is one, client.models.list() has all"
        )
    return model


def checked_limit(limit: int | None) -> int | None:
    """Check the size of a page."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= 100):  # noqa: PLR2004
        raise ArgumentError("limit", f"{limit!r} is not a whole number from 1 to 100")
    return limit


def checked_timeout(timeout: float | None) -> float | None:
    """Check how long to wait."""
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
        raise ArgumentError("timeout", f"{timeout!r} is not a number of seconds above 0; None waits without limit")
    return None if timeout == float("inf") else float(timeout)


def checked_generation_id(argument: str, generation: Any) -> str:
    """Take the id of a generation that is given as such or by its id.

    Raises:
        ArgumentError: It is something else's.
    """
    id = generation.id if isinstance(generation, Generation) else generation
    if isinstance(id, str) and id.startswith("batch_"):
        raise ArgumentError(argument, f"{id!r} is the id of a batch; client.batch has methods for it")
    path_segment(argument, id)
    return str(id)


def checked_generation_ids(ids: Any) -> list[str]:
    """Take the ids of several generations, each once."""
    if isinstance(ids, str | Generation) or not isinstance(ids, Iterable):
        raise ArgumentError("ids", f"{type(ids).__name__} is not a list of ids")
    return list(dict.fromkeys(checked_generation_id(f"ids[{index}]", one) for index, one in enumerate(ids)))


def checked_url(argument: str, url: Any) -> str:
    """Check that a URL is one that the server can fetch."""
    if not isinstance(url, str) or not re.match(r"https?://[^/\s]+", url, re.IGNORECASE) or re.search(r"\s", url):
        raise ArgumentError(argument, f"{url!r} is not an http(s) URL; local files go through create_with_files")
    return url


def checked_webhook_url(url: str | None) -> str | None:
    """Check where notices are to be sent."""
    if url is not None and (not isinstance(url, str) or not re.match(r"https?://[^/\s]+", url, re.IGNORECASE)):
        raise ArgumentError("webhook_url", f"{url!r} is not an http(s) URL")
    return url


def checked_output_name(name: str | None) -> str | None:
    """Check the output's base name: the server silently changes others."""
    if name is None:
        return None
    if not isinstance(name, str) or not re.fullmatch(OUTPUT_NAME, name):
        raise ArgumentError(
            "output_file_name",
            f"{name!r} is not 1 to 255 letters, digits, '_' and '-'; the server adds the extension itself",
        )
    return name


def typed(argument: str, value: ModelT | Mapping[str, Any] | None, shape: type[ModelT]) -> ModelT | None:
    """Take an object of the API, or the wire form of one as a plain mapping."""
    if value is None or isinstance(value, shape):
        return value
    if isinstance(value, Mapping):
        made: ModelT = _from_mapping(argument, value, shape)
        return made
    raise ArgumentError(argument, f"{type(value).__name__} is not a {shape.__name__}")


def typed_list(
    argument: str, values: Iterable[Any] | None, shape: Any, shapes: tuple[type[ApiObject], ...]
) -> list[Any]:
    """Take several objects of the API, each as `typed` does."""
    if values is None:
        return []
    if isinstance(values, str | bytes | Mapping | ApiObject) or not isinstance(values, Iterable):
        raise ArgumentError(argument, f"{type(values).__name__} is not a list of {_names(shapes)}")
    taken: list[Any] = []
    for index, value in enumerate(values):
        if isinstance(value, shapes):
            taken.append(value)
        elif isinstance(value, Mapping):
            taken.append(_from_mapping(f"{argument}[{index}]", value, shape))
        else:
            raise ArgumentError(f"{argument}[{index}]", f"{type(value).__name__} is none of {_names(shapes)}")
    return taken


def _names(shapes: tuple[type[ApiObject], ...]) -> str:
    return ", ".join(shape.__name__ for shape in shapes)


def _from_mapping(argument: str, value: Mapping[str, Any], shape: Any) -> Any:
    from sync_async._codec import WrongShapeError, decode

    try:
        return decode(dict(value), shape)
    except WrongShapeError as fault:
        raise ArgumentError(argument + fault.path.removeprefix("$"), fault.problem) from None


def inputs_of(values: Iterable[InputItem | Mapping[str, Any]] | None, *, argument: str = "input") -> list[Input]:
    """Take the inputs of a request and check each by itself."""
    inputs: list[Input] = typed_list(argument, values, Input, (Video, Image, Audio, Tts, OtherInput))
    for index, item in enumerate(inputs):
        _check_input(f"{argument}[{index}]", item)
    return inputs


def _check_input(where: str, item: Input) -> None:
    if isinstance(item, Tts):
        _check_script(where, item)
    elif not isinstance(item, OtherInput):
        _check_media(where, item)


def _check_script(where: str, item: Tts) -> None:
    provider = typed(f"{where}.provider", item.provider, type(item.provider))
    script = getattr(provider, "script", None)
    if not isinstance(script, str) or not 1 <= len(script) <= LONGEST_SCRIPT:
        size = f"it has {len(script)}" if isinstance(script, str) else "there is none"
        raise ArgumentError(f"{where}.provider.script", f"1 to {LONGEST_SCRIPT} characters are allowed; {size}")
    if not isinstance(item.provider.voice_id, str) or not item.provider.voice_id:
        raise ArgumentError(f"{where}.provider.voice_id", "a voice is needed")
    for name in ("stability", "similarity_boost"):
        _check_share(f"{where}.provider.{name}", getattr(item.provider, name))


def _check_media(where: str, item: Video | Image | Audio) -> None:
    kind = type(item).__name__
    if item.url is not None and item.asset_id is not None:
        raise ArgumentError(where, f"{kind} has both url and asset_id; give exactly one")
    if item.url is not None:
        checked_url(f"{where}.url", item.url)
    elif item.asset_id is not None:
        if not isinstance(item.asset_id, str) or not item.asset_id.strip():
            raise ArgumentError(f"{where}.asset_id", f"{item.asset_id!r} is not an asset's id")
    elif item.ref_id is None:
        raise ArgumentError(where, f"{kind} has neither url nor asset_id; give exactly one")


def _check_share(where: str, value: float | None) -> None:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1
    ):
        raise ArgumentError(where, f"{value!r} is not a number from 0 to 1")


def options_of(options: GenerationOptions | Mapping[str, Any] | None, where: str = "options") -> Any:
    """Take the options and check their ranges."""
    taken = typed(where, options, GenerationOptions)
    if taken is None:
        return None
    _check_share(f"{where}.temperature", taken.temperature)
    speaker = taken.active_speaker_detection
    if speaker is not None and (speaker.frame_number is None) != (speaker.coordinates is None):
        raise ArgumentError(
            f"{where}.active_speaker_detection",
            "frame_number and coordinates belong together; give both or neither",
        )
    return taken


def segments_of(
    segments: Sequence[GenerationSegment | Mapping[str, Any]] | None, inputs: Sequence[Input]
) -> list[GenerationSegment] | None:
    """Take the segments, check their times, and that each names a voice of the request."""
    if segments is None:
        return None
    taken: list[GenerationSegment] = typed_list("segments", segments, GenerationSegment, (GenerationSegment,))
    voices = {item.ref_id for item in inputs if isinstance(item, Audio | Tts)}
    for index, segment in enumerate(taken):
        where = f"segments[{index}]"
        _check_range(where, segment.start_time, segment.end_time)
        voice = segment.audio_input
        if voice.ref_id not in voices:
            known = ", ".join(sorted(repr(ref) for ref in voices if ref)) or "none"
            raise ArgumentError(
                f"{where}.audio_input.ref_id", f"no voice is called {voice.ref_id!r}; there are: {known}"
            )
        if (voice.start_time is None) != (voice.end_time is None):
            raise ArgumentError(
                f"{where}.audio_input", "start_time and end_time belong together; give both or neither"
            )
        if voice.start_time is not None and voice.end_time is not None:
            _check_range(f"{where}.audio_input", voice.start_time, voice.end_time)
        options_of(segment.options_override, f"{where}.options_override")
    return taken


def _check_range(where: str, start: float, end: float) -> None:
    if not all(isinstance(time, int | float) and math.isfinite(time) and time >= 0 for time in (start, end)):
        raise ArgumentError(where, "start_time and end_time are seconds from 0")
    if start > end:
        raise ArgumentError(where, f"start_time {start} is after end_time {end}")


def check_composition(
    inputs: Sequence[Input],
    *,
    files: Sequence[str] = (),
    segments: Sequence[GenerationSegment] | None = None,
    dub_params: DubParams | None = None,
    dialogue_edit: DialogueEdit | None = None,
) -> None:
    """Check that a request has one thing to see and the voices that it needs.

    Args:
        inputs: The inputs given by URL, asset or text.
        files: The kinds of the inputs sent as files: `video`, `image`, `audio`.
        segments: The segments, if any; with them each voice needs a name of its own.
        dub_params: With them the voice comes from the video.
        dialogue_edit: With it the voice comes from the edit.
    """
    if any(isinstance(item, OtherInput) for item in inputs):
        return  # a kind of input that this version does not know: the server judges
    by_url = [item for item in inputs if not stands_for_a_file(item, files)]
    seen = [type(item).__name__ for item in by_url if isinstance(item, Video | Image)]
    seen += [kind.capitalize() for kind in files if kind in ("video", "image")]
    voices = [item for item in inputs if isinstance(item, Audio | Tts)]
    heard = len([item for item in by_url if isinstance(item, Audio | Tts)]) + files.count("audio")
    if len(seen) != 1:
        found = "there is none" if not seen else f"there are {len(seen)}: {', '.join(seen)}"
        raise ArgumentError("input", f"exactly one video or image is needed; {found}")
    if dub_params is not None or dialogue_edit is not None:
        _check_no_voice(heard, "dub_params" if dub_params is not None else "dialogue_edit")
    elif segments is not None:
        _check_named_voices(voices, seen)
    elif heard != 1:
        found = "there is none" if not heard else f"there are {heard}; several need segments"
        raise ArgumentError("input", f"exactly one voice (Audio or Tts) is needed; {found}")


def stands_for_a_file(item: Input, files: Sequence[str]) -> bool:
    """Tell whether an input only names a file of the same request."""
    return (
        item.type in files
        and not isinstance(item, Tts | OtherInput)
        and item.url is None
        and item.asset_id is None
    )


def _check_no_voice(heard: int, because: str) -> None:
    if heard:
        raise ArgumentError(
            "input", f"with {because} the request has no voice of its own; leave Audio and Tts out"
        )


def _check_named_voices(voices: Sequence[Audio | Tts], seen: Sequence[str]) -> None:
    if "Image" in seen:
        raise ArgumentError("input", "segments need a video, not an image")
    if not voices:
        raise ArgumentError("input", "segments need at least one voice (Audio or Tts) with a ref_id")
    names = [voice.ref_id for voice in voices]
    if None in names or len(set(names)) != len(names):
        raise ArgumentError("input", "with segments each voice needs a ref_id of its own")
