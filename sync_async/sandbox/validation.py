"""Whether a create body is one that the API takes.

Source: https://sync.so/docs/api-reference/api/generate-api/create
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import attrs

from sync_async.sandbox.options import SPEAKER, check_options, check_override, check_share, is_number
from sync_async.sandbox.plans import PLANS
from sync_async.sandbox.refusal import Refusal, invalid
from sync_async.sandbox.settings import SandboxSettings
from sync_async.sandbox.webhooks import is_loopback

MODELS: dict[str, float] = {
    "sync-3": 0.133,
    "lipsync-2": 0.05,
    "lipsync-2-pro": 0.083,
    "lipsync-1.9.0-beta": 0.025,
    "react-1": 0.167,
}
"""The models, and the USD a second of output at 25 frames a second."""
IMAGE_MODEL = "sync-3"
PAID_MODEL = "react-1"
VISUAL, VOICE = ("video", "image"), ("audio", "text")
LONGEST_SCRIPT = 5000
LONGEST_NAME = 255


@attrs.frozen
class Entry:
    """An input item, and whether it stands for the file of its kind in the same form."""

    item: dict[str, Any]
    is_file: bool

    @property
    def kind(self) -> str:
        """Its type."""
        kind: str = self.item["type"]
        return kind


def join_files(items: Iterable[dict[str, Any]], kinds: Iterable[str]) -> list[Entry]:
    """Join the input items with the files of a form.

    A file takes the item that names it, which has no URL, or else the only item of its kind; otherwise it is one
    more.
    """
    joined = [Entry(item, is_file=False) for item in items]
    for kind in kinds:
        same = [index for index, entry in enumerate(joined) if entry.kind == kind]
        bare = [index for index in same if not _has_media(joined[index].item)]
        place = bare[0] if bare else same[0] if len(same) == 1 else None
        if place is None:
            joined.append(Entry({"type": kind}, is_file=True))
        else:
            joined[place] = Entry(joined[place].item, is_file=True)
    return joined


def _has_media(item: dict[str, Any]) -> bool:
    return bool(item.get("url") or item.get("assetId"))


def check_create(body: Any, settings: SandboxSettings, *, files: Iterable[str] = ()) -> dict[str, Any]:
    """Check a create body, and give it with the output name as the server would keep it.

    Args:
        body: The JSON value.
        settings: What the sandbox knows and allows.
        files: The kinds of input that came as files of the same form.

    Raises:
        Refusal: It is not one that the API takes.
    """
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    check_model(body.get("model"))
    files = tuple(files)
    items = body.get("input", [] if files else None)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid("input must be an array of objects.", "input")
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]", () if settings.form_entries_need_url else files)
    check_options(body.get("options"), "options")
    entries = join_files(items, files)
    _check_visual(body, [entry for entry in entries if entry.kind in VISUAL], items)
    _check_voices(body, [entry for entry in entries if entry.kind in VOICE], settings)
    _check_texts(body, settings)
    _check_plan(body, settings)
    return {**body, "outputFileName": _clean_name(body.get("outputFileName"))}


def check_model(model: Any) -> None:
    """Check the name of a model.

    Raises:
        Refusal: There is no such model.
    """
    if not isinstance(model, str) or not model:
        raise invalid("model is required.", "model")
    if model not in MODELS:
        raise Refusal("generation_unsupported_model", field="model")


def _check_item(item: dict[str, Any], where: str, files: tuple[str, ...]) -> None:
    kind = item.get("type")
    for name in ("url", "assetId", "refId"):
        if item.get(name) is not None and not isinstance(item[name], str):
            raise invalid(f"{where}.{name} must be text.", f"{where}.{name}")
    if kind == "text":
        _check_speech(item.get("provider"), f"{where}.provider")
    elif kind in ("video", "image", "audio"):
        if not _has_media(item) and kind not in files:
            raise invalid(f"{where} needs url or assetId.", where)
        if item.get("url") and not is_web_url(item["url"]):
            raise invalid(f"{where}.url must be an http(s) URL.", f"{where}.url")
        if kind == "video":
            _check_stretches(item, where)
    else:
        raise invalid(f"{where}.type must be video, image, audio or text.", f"{where}.type")


def is_web_url(text: str) -> bool:
    """Tell whether a text is an http(s) URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _check_stretches(item: dict[str, Any], where: str) -> None:
    """Check the deprecated ways to choose stretches of a video: pairs in order."""
    for name, number in (("segments_secs", is_number), ("segments_frames", _is_whole)):
        pairs = item.get(name)
        if pairs is not None and not (isinstance(pairs, list) and all(_is_pair(pair, number) for pair in pairs)):
            raise invalid(f"{where}.{name} must hold pairs of start and end.", f"{where}.{name}")


def _is_pair(pair: Any, number: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not all(number(value) for value in pair):  # noqa: PLR2004
        return False
    return bool(0 <= pair[0] < pair[1])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_speech(provider: Any, where: str) -> None:
    if not isinstance(provider, dict) or provider.get("name") != "elevenlabs":
        raise invalid(f"{where}.name must be elevenlabs.", where)
    if not isinstance(provider.get("voiceId"), str) or not provider["voiceId"]:
        raise invalid(f"{where}.voiceId is required.", f"{where}.voiceId")
    script = provider.get("script")
    if not isinstance(script, str) or not 1 <= len(script) <= LONGEST_SCRIPT:
        raise invalid(f"{where}.script must have 1 to {LONGEST_SCRIPT} characters.", f"{where}.script")
    for name in ("stability", "similarityBoost"):
        check_share(provider.get(name), f"{where}.{name}")


def _check_visual(body: dict[str, Any], visual: list[Entry], items: list[dict[str, Any]]) -> None:
    if len(visual) > 1:
        raise Refusal("generation_input_too_many_visual", field="input")
    if not visual:
        raise invalid("input needs one video or image.", "input")
    if visual[0].kind == "video":
        return
    if body["model"] != IMAGE_MODEL:
        raise Refusal("generation_unsupported_model", message=f"Images need {IMAGE_MODEL}.", field="model")
    if body.get("dubParams") is not None or body.get("dialogueEdit") is not None:
        where = f"input[{items.index(visual[0].item)}]" if visual[0].item in items else "input"
        raise invalid("This needs a video with sound.", where)
    if body.get("segments") is not None:
        raise Refusal("generation_input_segments_invalid", field="segments")
    if ((body.get("options") or {}).get(SPEAKER) or {}).get("auto_detect"):
        raise Refusal("generation_input_face_selection_invalid", field=f"options.{SPEAKER}")


def _check_voices(body: dict[str, Any], voices: list[Entry], settings: SandboxSettings) -> None:
    if body.get("dubParams") is not None:
        _check_dubbing(body["dubParams"])
        if voices:
            raise Refusal("generation_input_dub_audio_conflict", field="input")
    elif body.get("dialogueEdit") is not None:
        _check_edit(body, settings)
        if voices:
            raise invalid("input may have no voice beside dialogueEdit.", "input")
    elif body.get("segments") is not None:
        _check_segments(body["segments"], [voice.item for voice in voices])
    elif len(voices) != 1:
        raise invalid("input needs exactly one audio or text item.", "input")


def _check_dubbing(params: Any) -> None:
    if not isinstance(params, dict) or not isinstance(params.get("targetLang"), str) or not params["targetLang"]:
        raise invalid("dubParams.targetLang is required.", "dubParams.targetLang")
    if params.get("sourceLang") is not None and not isinstance(params["sourceLang"], str):
        raise invalid("dubParams.sourceLang must be text.", "dubParams.sourceLang")
    if params.get("providerName") not in (None, "elevenlabs"):
        raise invalid("dubParams.providerName must be elevenlabs.", "dubParams.providerName")


def _check_edit(body: dict[str, Any], settings: SandboxSettings) -> None:
    edit = body["dialogueEdit"]
    if not isinstance(edit, dict) or not isinstance(edit.get("id"), str):
        raise invalid("dialogueEdit.id is required.", "dialogueEdit.id")
    if body["model"] != IMAGE_MODEL:
        raise Refusal("generation_unsupported_model", message="Dialogue edits need sync-3.", field="model")
    if settings.dialogue_edits is not None and edit["id"] not in settings.dialogue_edits:
        raise Refusal("dialogue_edit_not_found", field="dialogueEdit.id")


def _check_segments(segments: Any, voices: list[dict[str, Any]]) -> None:
    names = [voice.get("refId") for voice in voices]
    if not isinstance(segments, list) or not segments or not names or None in names:
        raise Refusal("generation_input_segments_invalid", field="segments")
    if len(set(names)) != len(names):
        raise Refusal("generation_input_segments_invalid", field="input")
    for index, segment in enumerate(segments):
        if not isinstance(segment, dict) or not _is_segment(segment, names):
            raise Refusal("generation_input_segments_invalid", field=f"segments[{index}]")
        check_override(segment.get("optionsOverride"), f"segments[{index}].optionsOverride")


def _is_segment(segment: dict[str, Any], names: list[Any]) -> bool:
    voice = segment.get("audioInput")
    if not _is_range(segment.get("startTime"), segment.get("endTime")) or not isinstance(voice, dict):
        return False
    if voice.get("refId") not in names:
        return False
    crop = (voice.get("startTime"), voice.get("endTime"))
    return crop == (None, None) or _is_range(*crop)


def _is_range(start: Any, end: Any) -> bool:
    return is_number(start) and is_number(end) and 0 <= start <= end


def _check_texts(body: dict[str, Any], settings: SandboxSettings) -> None:
    check_webhook(body.get("webhookUrl"), "webhookUrl")
    name = body.get("outputFileName")
    if name is not None and (not isinstance(name, str) or len(name) > LONGEST_NAME):
        raise invalid("outputFileName must be text of at most 255 characters.", "outputFileName")
    check_project(body.get("projectId"), settings)


def check_webhook(url: Any, where: str) -> None:
    """Check where a webhook is to go: HTTPS, and plain HTTP on this machine, which only the sandbox takes.

    Raises:
        Refusal: It is no such URL.
    """
    if url is None:
        return
    if not isinstance(url, str) or not is_web_url(url) or not (url.startswith("https:") or is_loopback(url)):
        raise invalid(f"{where} must be an HTTPS URL.", where)


def check_project(id: Any, settings: SandboxSettings) -> None:
    """Check the id of a project.

    Raises:
        Refusal: There is no such project.
    """
    if id is not None and id not in settings.projects:
        raise Refusal("project_not_found", field="projectId")


def _check_plan(body: dict[str, Any], settings: SandboxSettings) -> None:
    if settings.plan is None or PLANS[settings.plan].is_paid:
        return
    if body["model"] == PAID_MODEL:
        raise Refusal("plan_feature_unavailable", field="model")
    if (body.get("options") or {}).get(SPEAKER) is not None:
        raise Refusal("plan_feature_unavailable", field=f"options.{SPEAKER}")


def _clean_name(name: str | None) -> str | None:
    """Change a name as the server does: spaces become underscores, the rest is dropped."""
    return None if name is None else re.sub(r"[^A-Za-z0-9_-]", "", name.replace(" ", "_"))
