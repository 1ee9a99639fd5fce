"""Whether the `options` of a create body are ones that the API takes. Unknown ones are.

Source: https://sync.so/docs/developer-guides/speaker-selection
"""

from __future__ import annotations

from typing import Any, TypeGuard

from sync_async.sandbox.refusal import Refusal, invalid

WORDS = {
    "sync_mode": ("bounce", "loop", "cut_off", "silence", "remap"),
    "model_mode": ("lips", "face", "head"),
    "prompt": ("happy", "sad", "angry", "disgusted", "surprised", "neutral"),
}
SWITCHES = ("occlusion_detection_enabled", "reasoning_enabled")
OVERRIDES = frozenset({"sync_mode", "temperature", "occlusion_detection_enabled", "active_speaker_detection"})
"""What `optionsOverride` of a segment may hold."""
SPEAKER = "active_speaker_detection"
PAIR, BOX = 2, 4


def check_options(options: Any, where: str, words: frozenset[str] = frozenset(WORDS)) -> None:
    """Check options; `words` are the names of the enumerations that may stand here.

    Raises:
        Refusal: One is out of its range.
    """
    if options is None:
        return
    if not isinstance(options, dict):
        raise invalid(f"{where} must be an object.", where)
    for name in words & set(options):
        if options[name] is not None and options[name] not in WORDS[name]:
            raise invalid(f"{where}.{name} must be one of {', '.join(WORDS[name])}.", f"{where}.{name}")
    for name in SWITCHES:
        if options.get(name) is not None and not isinstance(options[name], bool):
            raise invalid(f"{where}.{name} must be true or false.", f"{where}.{name}")
    check_share(options.get("temperature"), f"{where}.temperature")
    if options.get(SPEAKER) is not None:
        _check_speaker(options[SPEAKER], f"{where}.{SPEAKER}")


def check_override(override: Any, where: str) -> None:
    """Check the options of a segment.

    Raises:
        Refusal: One is out of its range, or none that a segment takes.
    """
    check_options(override, where, frozenset({"sync_mode"}))
    if override and set(override) - OVERRIDES:
        raise invalid(f"{where} has an option that no segment takes.", where)


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_share(value: Any, where: str) -> None:
    """Check a number from 0 to 1, or null."""
    if value is not None and not (is_number(value) and 0 <= value <= 1):
        raise invalid(f"{where} must be a number from 0 to 1.", where)


def _check_speaker(speaker: Any, where: str) -> None:
    if not isinstance(speaker, dict):
        raise invalid(f"{where} must be an object.", where)
    if speaker.get("auto_detect") is not None and not isinstance(speaker["auto_detect"], bool):
        raise invalid(f"{where}.auto_detect must be true or false.", f"{where}.auto_detect")
    given = {name for name, value in speaker.items() if value is not None}
    point, boxes = given & {"frame_number", "coordinates"}, given & {"bounding_boxes", "bounding_boxes_url"}
    if len(point) == 1 or len(boxes) > 1 or (point and boxes):
        raise Refusal("generation_input_face_selection_invalid", field=where)
    if (point and not _is_point(speaker)) or (
        "bounding_boxes" in boxes and not _are_boxes(speaker["bounding_boxes"])
    ):
        raise Refusal("generation_input_face_selection_invalid", field=where)


def _is_point(speaker: dict[str, Any]) -> bool:
    number = speaker["frame_number"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        return False
    return _are_numbers(speaker["coordinates"], PAIR)


def _are_boxes(boxes: Any) -> bool:
    return isinstance(boxes, list) and all(box is None or _are_numbers(box, BOX) for box in boxes)


def _are_numbers(values: Any, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(is_number(value) for value in values)
