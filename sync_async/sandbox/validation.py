"""Whether a create body is one that the API takes.

Source: https://sync.so/docs/api-reference/api/generate-api/create
"""

from __future__ import annotations

import re
from typing import Any

from sync_async.sandbox.refusal import Refusal, invalid

MODELS: dict[str, float] = {
    "sync-3": 0.133,
    "lipsync-2": 0.05,
    "lipsync-2-pro": 0.083,
    "lipsync-1.9.0-beta": 0.025,
    "react-1": 0.167,
}
"""The models, and the USD a second of output at 25 frames a second."""

WORDS = {
    "sync_mode": ("bounce", "loop", "cut_off", "silence", "remap"),
    "model_mode": ("lips", "face", "head"),
    "prompt": ("happy", "sad", "angry", "disgusted", "surprised", "neutral"),
}
OVERRIDES = {"sync_mode", "temperature", "occlusion_detection_enabled", "active_speaker_detection"}
VISUAL, VOICE = ("video", "image"), ("audio", "text")
LONGEST_SCRIPT = 5000
LONGEST_NAME = 255


def check_create(
    body: Any, *, files: frozenset[str] = frozenset(), projects: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Check a create body, and give it with the output name as the server would keep it.

    Args:
        body: The JSON value.
        files: The kinds of input that came as files of the same form.
        projects: The projects that exist.

    Raises:
        Refusal: It is not one that the API takes.
    """
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("model is required.", "model")
    if body["model"] not in MODELS:
        raise Refusal("generation_unsupported_model", field="model")
    items = body.get("input", [] if files else None)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid("input must be an array of objects.", "input")
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]", files)
    _check_options(body.get("options"), "options", set(WORDS))
    _check_composition(body, items, files)
    _check_texts(body, projects)
    return {**body, "outputFileName": _clean_name(body.get("outputFileName"))}


def _check_item(item: dict[str, Any], where: str, files: frozenset[str]) -> None:
    kind = item.get("type")
    if kind == "text":
        _check_speech(item.get("provider"), f"{where}.provider")
    elif kind in ("video", "image", "audio"):
        if not (item.get("url") or item.get("assetId") or kind in files):
            raise invalid(f"{where} needs url or assetId.", where)
        for name in ("url", "assetId", "refId"):
            if item.get(name) is not None and not isinstance(item[name], str):
                raise invalid(f"{where}.{name} must be text.", f"{where}.{name}")
        if item.get("url") and not re.match(r"https?://", item["url"]):
            raise invalid(f"{where}.url must be an http(s) URL.", f"{where}.url")
    else:
        raise invalid(f"{where}.type must be video, image, audio or text.", f"{where}.type")


def _check_speech(provider: Any, where: str) -> None:
    if not isinstance(provider, dict) or provider.get("name") != "elevenlabs":
        raise invalid(f"{where}.name must be elevenlabs.", where)
    if not isinstance(provider.get("voiceId"), str) or not provider["voiceId"]:
        raise invalid(f"{where}.voiceId is required.", f"{where}.voiceId")
    script = provider.get("script")
    if not isinstance(script, str) or not 1 <= len(script) <= LONGEST_SCRIPT:
        raise invalid(f"{where}.script must have 1 to {LONGEST_SCRIPT} characters.", f"{where}.script")
    for name in ("stability", "similarityBoost"):
        _check_share(provider.get(name), f"{where}.{name}")


def _check_share(value: Any, where: str) -> None:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1
    ):
        raise invalid(f"{where} must be a number from 0 to 1.", where)


def _check_options(options: Any, where: str, words: set[str]) -> None:
    if options is None:
        return
    if not isinstance(options, dict):
        raise invalid(f"{where} must be an object.", where)
    for name in words:
        if options.get(name) is not None and options[name] not in WORDS[name]:
            raise invalid(f"{where}.{name} must be one of {', '.join(WORDS[name])}.", f"{where}.{name}")
    _check_share(options.get("temperature"), f"{where}.temperature")
    speaker = options.get("active_speaker_detection")
    if speaker is not None:
        _check_speaker(speaker, f"{where}.active_speaker_detection")


def _check_speaker(speaker: Any, where: str) -> None:
    if not isinstance(speaker, dict):
        raise invalid(f"{where} must be an object.", where)
    given = {name for name, value in speaker.items() if value is not None}
    point = given & {"frame_number", "coordinates"}
    if len(point) == 1 or (point and given & {"bounding_boxes", "bounding_boxes_url"}):
        raise Refusal("generation_input_face_selection_invalid", field=where)


def _check_composition(body: dict[str, Any], items: list[dict[str, Any]], files: frozenset[str]) -> None:
    # an entry without url may only name a file of the same form
    seen = [item["type"] for item in items if item["type"] in VISUAL and not _names_file(item, files)]
    seen += [kind for kind in files if kind in VISUAL]
    voices = [item for item in items if item["type"] in VOICE]
    heard = [item for item in voices if not _names_file(item, files)]
    spoken = len(heard) + ("audio" in files)
    if len(seen) > 1:
        raise Refusal("generation_input_too_many_visual", field="input")
    if not seen:
        raise invalid("input needs one video or image.", "input")
    options = body.get("options") or {}
    if seen == ["image"] and (options.get("active_speaker_detection") or {}).get("auto_detect"):
        raise Refusal("generation_input_face_selection_invalid", field="options.active_speaker_detection")
    if body.get("dubParams") is not None:
        _check_dubbing(body["dubParams"], spoken)
    elif body.get("segments") is not None:
        _check_segments(body["segments"], voices, seen)
    elif body.get("dialogueEdit") is None and spoken != 1:
        raise invalid("input needs exactly one audio or text item.", "input")


def _names_file(item: dict[str, Any], files: frozenset[str]) -> bool:
    return item["type"] in files and not item.get("url") and not item.get("assetId")


def _check_dubbing(params: Any, spoken: int) -> None:
    if not isinstance(params, dict) or not isinstance(params.get("targetLang"), str):
        raise invalid("dubParams.targetLang is required.", "dubParams.targetLang")
    if spoken:
        raise Refusal("generation_input_dub_audio_conflict", field="input")


def _check_segments(segments: Any, voices: list[dict[str, Any]], seen: list[str]) -> None:
    names = [voice.get("refId") for voice in voices]
    if seen == ["image"] or not isinstance(segments, list) or not segments or None in names:
        raise Refusal("generation_input_segments_invalid", field="segments")
    if len(set(names)) != len(names):
        raise Refusal("generation_input_segments_invalid", field="input")
    for index, segment in enumerate(segments):
        if not isinstance(segment, dict) or not _is_segment(segment, names):
            raise Refusal("generation_input_segments_invalid", field=f"segments[{index}]")
        override = segment.get("optionsOverride")
        _check_options(override, f"segments[{index}].optionsOverride", {"sync_mode"})
        if override and set(override) - OVERRIDES:
            raise invalid(f"segments[{index}].optionsOverride has an option that no segment takes.")


def _is_segment(segment: dict[str, Any], names: list[Any]) -> bool:
    voice = segment.get("audioInput")
    if not _is_range(segment.get("startTime"), segment.get("endTime")) or not isinstance(voice, dict):
        return False
    if voice.get("refId") not in names:
        return False
    crop = (voice.get("startTime"), voice.get("endTime"))
    return crop == (None, None) or _is_range(*crop)


def _is_range(start: Any, end: Any) -> bool:
    numbers = all(isinstance(time, int | float) and not isinstance(time, bool) for time in (start, end))
    return numbers and 0 <= start <= end


def _check_texts(body: dict[str, Any], projects: tuple[str, ...]) -> None:
    webhook = body.get("webhookUrl")
    if webhook is not None and (not isinstance(webhook, str) or not re.match(r"https?://", webhook)):
        raise invalid("webhookUrl must be a URL.", "webhookUrl")
    name = body.get("outputFileName")
    if name is not None and (not isinstance(name, str) or len(name) > LONGEST_NAME):
        raise invalid("outputFileName must be text of at most 255 characters.", "outputFileName")
    if body.get("projectId") is not None and body["projectId"] not in projects:
        raise Refusal("project_not_found", field="projectId")


def _clean_name(name: str | None) -> str | None:
    """Change a name as the server does: spaces become underscores, the rest is dropped."""
    return None if name is None else re.sub(r"[^A-Za-z0-9_-]", "", name.replace(" ", "_"))
