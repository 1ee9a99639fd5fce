"""The body of a generation: one description, as JSON or as a form with files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from sync_async._arguments import (
    check_composition,
    checked_model,
    checked_output_name,
    checked_webhook_url,
    inputs_of,
    options_of,
    segments_of,
    stands_for_a_file,
    typed,
)
from sync_async._files import File
from sync_async._forks import imports
from sync_async.types._model import ApiObject, JsonObject
from sync_async.types.inputs import Audio, Image, InputItem, Video
from sync_async.types.options import DialogueEdit, DubParams, GenerationOptions, GenerationSegment

if TYPE_CHECKING:
    from sync_async._bodies import MultipartBody
    from sync_async._media import MediaFile

INPUT_OF = {"video": Video, "image": Image, "audio": Audio}


@attrs.frozen(kw_only=True, eq=False, repr=False)
class GenerationArguments:
    """What a caller says of a generation, unchecked."""

    model: Any
    input: Iterable[InputItem | Mapping[str, Any]] | None = None
    options: GenerationOptions | Mapping[str, Any] | None = None
    segments: Sequence[GenerationSegment | Mapping[str, Any]] | None = None
    webhook_url: str | None = None
    output_file_name: str | None = None
    project_id: str | None = None
    dub_params: DubParams | Mapping[str, Any] | None = None
    dialogue_edit: DialogueEdit | Mapping[str, Any] | None = None

    def to_wire(self, files: Sequence[str] = ()) -> JsonObject:
        """Check everything, and write it as the API's JSON fields, in the order of its documentation.

        Args:
            files: The kinds of input that travel as files: `video`, `image`, `audio`.

        Raises:
            ArgumentError: Something cannot be right.
        """
        inputs = inputs_of(self.input)
        segments = segments_of(self.segments, inputs)
        dub_params = typed("dub_params", self.dub_params, DubParams)
        dialogue_edit = typed("dialogue_edit", self.dialogue_edit, DialogueEdit)
        check_composition(
            inputs, files=files, segments=segments, dub_params=dub_params, dialogue_edit=dialogue_edit
        )
        body = {
            "model": checked_model(self.model),
            "input": [item.to_dict() for item in inputs] if inputs or not files else None,
            "options": _wire(options_of(self.options)),
            "segments": None if segments is None else [segment.to_dict() for segment in segments],
            "webhookUrl": checked_webhook_url(self.webhook_url),
            "outputFileName": checked_output_name(self.output_file_name),
            "projectId": self.project_id,
            "dubParams": _wire(dub_params),
            "dialogueEdit": _wire(dialogue_edit),
        }
        return {name: value for name, value in body.items() if value is not None}

    def to_form(self, files: Mapping[str, MediaFile], more: Mapping[str, Any] | None) -> MultipartBody:
        """Check everything, and write it as a form with files.

        Args:
            files: The files by kind: `video`, `image`, `audio`.
            more: Further fields under the API's names.
        """
        with imports.under_way():
            from sync_async._bodies import MultipartBody, Part, field_part, form_fields

        fields = form_fields({**self.to_wire(tuple(files)), **(more or {})})
        parts = [field_part(name, value) for name, value in fields.items()]
        parts += [
            Part(
                name=kind,
                source=file.source,
                file_name=file.name,
                content_type=file.content_type,
                more_headers=file.headers,
            )
            for kind, file in files.items()
        ]
        return MultipartBody(parts)

    def with_media(self, urls: Mapping[str, str]) -> GenerationArguments:
        """Add inputs by kind that are at a URL; one that only named the file of its kind gets the URL."""
        inputs: list[Any] = inputs_of(self.input)
        for kind, url in urls.items():
            place = next((n for n, item in enumerate(inputs) if stands_for_a_file(item, (kind,))), None)
            if place is None:
                inputs.append(INPUT_OF[kind](url=url))
            else:
                inputs[place] = attrs.evolve(inputs[place], url=url)
        return attrs.evolve(self, input=inputs)


async def media_files(files: Mapping[str, File | None]) -> dict[str, MediaFile]:
    """Take the files of a call, by kind.

    Raises:
        ArgumentError: One is missing, empty, unreadable, a directory, or of no known type.
    """
    with imports.under_way():
        from sync_async._bodies import open_file
        from sync_async._media import media_file

    given = {kind: file for kind, file in files.items() if file is not None}
    return {kind: media_file(await open_file(kind, file), kind) for kind, file in given.items()}


def _wire(value: ApiObject | None) -> JsonObject | None:
    return None if value is None else value.to_dict()
