"""The error codes of the API: the status that the sandbox answers with, what happened, what to do.

Source: https://sync.so/docs/api-reference/api/errors-api/list
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Code:
    """One code; `job` marks those that only a finished job carries."""

    status: int
    message: str
    suggestion: str
    job: bool = False


CODES: dict[str, Code] = {
    "generation_unsupported_model": Code(400, "The model is unknown or unfit for this request.", "List the models that you may use."),
    "generation_input_validation_failed": Code(400, "The request does not satisfy the schema.", "Correct the named field."),
    "generation_input_video_inaccessible": Code(422, "The video could not be fetched.", "Check that its URL is public and has not expired."),
    "generation_input_audio_inaccessible": Code(422, "The audio could not be fetched.", "Check that its URL is public and has not expired."),
    "generation_input_image_inaccessible": Code(422, "The image could not be fetched.", "Check that its URL is public and has not expired."),
    "generation_input_video_invalid": Code(422, "The video is unreadable or of a wrong format.", "Send MP4, MOV, WebM or AVI."),
    "generation_input_audio_invalid": Code(422, "The audio is unreadable or of a wrong format.", "Send WAV, MP3, OGG or FLAC."),
    "generation_input_segments_invalid": Code(400, "The times or references of the segments are wrong.", "Check start, end and refId of each segment."),
    "generation_input_trim_invalid": Code(400, "The crop range is wrong.", "Give both times, in order."),
    "generation_input_face_selection_invalid": Code(400, "The speaker selection does not match the media.", "Give frame_number and coordinates together."),
    "generation_input_resolution_unsupported": Code(422, "The resolution is not supported.", "Send at most 4096x2160."),
    "generation_input_asset_type_mismatch": Code(422, "The asset has another media type than the input.", "Use an asset of the input's own type."),
    "generation_input_too_many_visual": Code(400, "There is more than one video or image.", "Send exactly one."),
    "generation_input_dub_audio_conflict": Code(400, "A voice input stands beside dubParams.", "Leave the voice input out."),
    "invalid_generation_id": Code(400, "The id is malformed.", "Use the id that the create call returned."),
    "unsupported_generation_id_format": Code(400, "This endpoint does not serve ids of this format.", "Use the id that the create call returned."),
    "invalid_asset_id_format": Code(400, "The asset id is malformed.", "Use the id that the library returned."),
    "uploaded_file_not_found": Code(422, "There are no bytes behind the upload URL.", "Send the file to uploadUrl first."),
    "file_not_in_org_storage": Code(422, "The URL is not in the organisation's storage.", "Upload the file first."),
    "generation_input_duration_greater_than_max_duration": Code(422, "The media are longer than allowed.", "Send shorter media."),
    "generation_model_duration_exceeded": Code(422, "The media are longer than the model supports.", "Send shorter media or take another model."),
    "generation_plan_duration_exceeded": Code(402, "The media are longer than the plan allows.", "Send shorter media or change the plan."),
    "dubbing_duration_exceeded": Code(422, "The video is too long for dubbing.", "Send a shorter video."),
    "file_size_exceeds_plan_limit": Code(422, "The file is larger than the plan allows.", "Send a smaller file or change the plan."),
    "free_tier_generations_exhausted": Code(402, "The free generations of this month are used up.", "Choose a plan."),
    "plan_feature_unavailable": Code(402, "The feature needs another plan.", "Change the plan."),
    "account_payment_required": Code(402, "An invoice is unpaid or there is no payment method.", "Check billing."),
    "account_on_hold": Code(402, "The account is blocked.", "Write to support."),
    "voice_clone_limit_reached": Code(403, "There is no free clone slot.", "Delete a cloned voice."),
    "elevenlabs_quota_exceeded": Code(402, "The quota of the voice provider is used up.", "Check the provider's account."),
    "concurrency_limit_reached": Code(429, "Too many generations are running.", "Wait for one to end."),
    "rate_limit_exceeded": Code(429, "Too many requests.", "Send less often."),
    "voice_clone_busy": Code(429, "The voice provider is busy.", "Try again later."),
    "generation_not_found": Code(404, "There is no such generation.", "Check the id."),
    "project_not_found": Code(422, "No such project.", "Check projectId."),
    "asset_not_found": Code(404, "There is no such asset.", "Check the id."),
    "asset_forbidden": Code(403, "The asset belongs to somebody else.", "Use an asset of your own."),
    "voice_not_found": Code(404, "There is no such voice.", "List the voices."),
    "generation_not_deletable_while_processing": Code(409, "The generation has not ended yet.", "Wait for its end."),
    "generation_conflict": Code(409, "The generation's state does not allow this.", "Read its state first."),
    "voice_name_conflict": Code(409, "There is a voice with this name.", "Take another name."),
    "generation_infra_storage_error": Code(503, "The storage failed.", "Try again later."),
    "generation_infra_resource_exhausted": Code(503, "There is no capacity.", "Try again later."),
    "generation_infra_service_unavailable": Code(503, "A service behind the API is down.", "Try again later."),
    "generation_media_probe_timeout": Code(504, "Measuring the media took too long.", "Try again later."),
    "generation_media_probe_unavailable": Code(503, "The media could not be measured.", "Try again later."),
    "controller_timeout": Code(504, "An internal service took too long.", "Try again later."),
    "controller_unavailable": Code(503, "An internal service is down.", "Try again later."),
    "controller_dependency_error": Code(503, "An internal service failed.", "Try again later."),
    "usage_dependency_unavailable": Code(503, "Usage accounting is down.", "Try again later."),
    "elevenlabs_service_unavailable": Code(503, "The voice provider is down.", "Try again later."),
    "internal_error": Code(500, "An unexpected fault.", "Try again later."),
    "generation_pipeline_failed": Code(500, "The processing failed.", "Start a new generation.", job=True),
    "generation_unknown_error": Code(500, "The generation failed.", "Start a new generation.", job=True),
    "voice_sample_not_accessible": Code(422, "The sample is not readable.", "Upload it first."),
    "voice_sample_type_unsupported": Code(422, "The sample is neither audio nor video.", "Send audio or video."),
    "voice_sample_upload_required": Code(422, "The sample must be hosted by sync.so.", "Upload it first."),
    "voice_sample_extraction_failed": Code(422, "No audio could be extracted.", "Send audio."),
    "voice_sample_source_too_large": Code(413, "The video is larger than 1 GiB.", "Send a smaller one."),
    "voice_sample_too_short": Code(400, "The sample is too short.", "Send at least 30 seconds."),
    "voice_sample_invalid": Code(400, "The sample is unusable.", "Send another one."),
    "elevenlabs_api_key_invalid": Code(401, "The organisation's provider key is wrong.", "Correct it in the settings."),
}  # fmt: skip

OUTSIDE: dict[str, Code] = {
    "INVALID_IDEMPOTENCY_KEY": Code(400, "The Idempotency-Key is malformed.", "Use 1 to 128 of A-Z a-z 0-9 . _ ~ -"),
    "IDEMPOTENCY_OUTCOME_UNKNOWN": Code(503, "The outcome of this key is not known yet.", "Send the same request again."),
    "IDEMPOTENCY_PAYLOAD_MISMATCH": Code(409, "The key was used with another body.", "Make a new key for a new request."),
    "IDEMPOTENCY_REQUEST_IN_PROGRESS": Code(409, "The first request with this key is still running.", "Wait, and send it again."),
    "cost_estimate_unavailable": Code(422, "No price can be given.", "Check model and duration."),
    "dialogue_edit_not_found": Code(404, "There is no such dialogue edit.", "Use the id of a finished one."),
    "batch_plan_required": Code(403, "The plan has no batches.", "Change the plan."),
    "batch_file_too_large": Code(400, "The file is larger than 5 MB.", "Split it."),
    "batch_concurrency_limit_reached": Code(429, "Too many batches are running.", "Wait until one has ended."),
    "batch_insufficient_records": Code(400, "The number of records is not allowed.", "Send 20 to 500."),
    "batch_invalid_jsonl": Code(400, "A line is no record.", "Write one JSON object a line."),
    "batch_duplicate_request_id": Code(400, "A request_id stands twice.", "Make each unique."),
    "batch_invalid_endpoint": Code(400, "An endpoint is not /v2/generate.", "Use /v2/generate."),
}  # fmt: skip
"""Codes that the catalogue endpoint does not list."""
