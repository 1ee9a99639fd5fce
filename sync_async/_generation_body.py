"""The body of a generation: one description, as JSON or as a form with files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import attrs

from sync_async._arguments import (
    check_composition,
    checked_model,
    checked_output_name,
    checked_webhook_url,
    inputs_of,
    options_of,
    segments_of,
    typed,
)
from sync_async._bodies import File, MultipartBody, NamedFile, Part, field_part, form_fields, open_file
from sync_async._errors import ArgumentError
from sync_async._media import MIME_TYPES, extension_of_bytes, mime_type
from sync_async.types._model import ApiObject, JsonObject
from sync_async.types.inputs import InputItem
from sync_async.types.options import DialogueEdit, DubParams, GenerationOptions, GenerationSegment


@attrs.frozen(kw_only=True)
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

    async def to_form(self, files: Mapping[str, File | None], more: Mapping[str, Any] | None) -> MultipartBody:
        """Check everything, and write it as a form with files.

        Args:
            files: The files by kind: `video`, `image`, `audio`.
            more: Further fields under the API's names.
        """
        given = {kind: file for kind, file in files.items() if file is not None}
        fields = form_fields({**self.to_wire(tuple(given)), **(more or {})})
        parts = [field_part(name, value) for name, value in fields.items()]
        parts += [_file_part(kind, await open_file(kind, file)) for kind, file in given.items()]
        return MultipartBody(parts)


def _wire(value: ApiObject | None) -> JsonObject | None:
    return None if value is None else value.to_dict()


def _file_part(kind: str, file: NamedFile) -> Part:
    """Name a file and its type by the API's own table: the server decides by them."""
    name = file.name
    if name is None or not PurePath(name).suffix:
        name = (name or kind) + (extension_of_bytes(file.head) or "")
    content_type = file.content_type or mime_type(name, kind)
    if content_type is None:
        raise ArgumentError(
            kind,
            f"{name!r} does not tell a media type; give one as a tuple (name, file, content type), or use one "
            f"of {' '.join(sorted(MIME_TYPES))}",
        )
    return Part(
        name=kind, source=file.source, file_name=name, content_type=content_type, more_headers=file.headers
    )
