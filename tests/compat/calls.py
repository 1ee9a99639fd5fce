"""The calls by which syncsdk and this library are compared, in the spelling that both take."""

SETUP = """
import datetime as dt
import io
from sync import Sync
from sync.common import ActiveSpeaker, Audio, ElevenLabs, GenerationOptions, GenerationSegment, SegmentAudioInput, Tts, Video

client = Sync(base_url=BASE_URL, api_key="sk-test")
V = Video(url="https://media.example/v.mp4")
A = Audio(url="https://media.example/a.wav")
"""

CALLS = {
    "assets.list plain": "client.assets.list()",
    "assets.list full": (
        'client.assets.list(project_id="p", limit=10, cursor="c", search_query="a b&c", sort_by="dateDesc",'
        ' types=["AUDIO", "VIDEO"])'
    ),
    "assets.get": 'client.assets.get("as-1")',
    "assets.get strange id": 'client.assets.get("a b?c#d%e")',
    "batch.create": (
        'client.batch.create(input=("in.jsonl", LINES), webhook_url="https://hooks.example/b", dry_run=False)'
    ),
    "batch.get": 'client.batch.get(id="batch_abc123")',
    "batch.list plain": "client.batch.list()",
    "batch.list full": (
        'client.batch.list(status="COMPLETED", created_after=dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),'
        " created_before=dt.datetime(2026, 1, 3, 1, tzinfo=dt.timezone(dt.timedelta(hours=1))))"
    ),
    "generations.create": 'client.generations.create(model="lipsync-2", input=[V, A])',
    "generations.create full": (
        'client.generations.create(model="lipsync-2-pro", input=[Video(asset_id="as-1"), Audio(url="https://m/a.wav",'
        ' ref_id="a1"), Tts(ref_id="a2", provider=ElevenLabs(voice_id="v", script="Hi é", stability=0.4,'
        " similarity_boost=0.8))],"
        ' options=GenerationOptions(sync_mode="loop", temperature=0.4, active_speaker_detection='
        "ActiveSpeaker(frame_number=1, coordinates=[2, 3])),"
        ' segments=[GenerationSegment(start_time=0, end_time=4.5, audio_input=SegmentAudioInput(ref_id="a1",'
        " start_time=1, end_time=5.5))],"
        ' webhook_url="https://hooks.example/s", output_file_name="take_01")'
    ),
    "generations.create options": (
        'client.generations.create(model="lipsync-2", input=[V, A], request_options={"timeout_in_seconds": 5,'
        ' "additional_headers": {"X-Trace": "1"}, "additional_query_parameters": {"debug": "1"},'
        ' "additional_body_parameters": {"projectId": "p"}})'
    ),
    "generations.create_with_files": (
        'client.generations.create_with_files(model="lipsync-2", video=("v.mp4", b"video"), audio=("a.wav", b"audio"))'
    ),
    "generations.create_with_files open files": (
        'client.generations.create_with_files(model="lipsync-2", video=("v.mp4", io.BytesIO(b"video")),'
        ' audio=("a.wav", io.BytesIO(b"audio"), "audio/wav"), webhook_url="https://hooks.example/s")'
    ),
    "generations.create_with_files options": (
        'client.generations.create_with_files(model="lipsync-2", video=("v.mp4", b"video"), audio=("a.wav", b"audio"),'
        ' options=GenerationOptions(sync_mode="loop"))'
    ),
    "generations.create_with_files input": (
        'client.generations.create_with_files(model="lipsync-2", video=("v.mp4", b"video"), input=[A])'
    ),
    "generations.get": 'client.generations.get("g-1")',
    "generations.get escaping id": 'client.generations.get("../batch?x=1")',
    "generations.list plain": "client.generations.list()",
    "generations.list full": 'client.generations.list(status=["PENDING", "PROCESSING"], ids=["a", "b"])',
    "generations.estimate_cost": (
        'client.generations.estimate_cost(model="lipsync-2", input=[V, A], options=GenerationOptions(sync_mode="loop"))'
    ),
    "models.list": "client.models.list()",
}

LINES = b"\n".join(
    b'{"request_id":"r-%d","endpoint":"/v2/generate","payload":{"model":"lipsync-2"}}' % number
    for number in range(20)
)


def run(name: str, base_url: str) -> str | None:
    """Make one call; give the kind of error that it ended with, if any."""
    names: dict[str, object] = {"BASE_URL": base_url, "LINES": LINES}
    exec(SETUP, names)
    try:
        exec(CALLS[name], names)
    except Exception as error:  # noqa: BLE001  # the kind of failure is what is compared
        return type(error).__name__
    return None
