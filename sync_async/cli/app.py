"""The commands."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from sync_async import (
    ArgumentError,
    Asset,
    AsyncSync,
    BatchResponse,
    Generation,
    GenerationFailedError,
    SyncError,
    WaitTimeoutError,
    __version__,
)
from sync_async.cli import screen
from sync_async.cli.bulk import bulk

T = TypeVar("T")

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, in the API's own form.")]
Timeout = Annotated[float | None, typer.Option(help="Seconds to wait; what was started goes on all the same.")]

app = typer.Typer(
    name="syncso",
    help="The sync.so lip-sync API. SYNC_API_KEY holds the key, SYNC_BASE_URL another server, such as a sandbox.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
assets = typer.Typer(help="Look into the media library.", no_args_is_help=True)
generations = typer.Typer(help="Look at generations.", no_args_is_help=True)
batch = typer.Typer(help="Look at batches.", no_args_is_help=True)
app.add_typer(assets, name="assets")
app.add_typer(generations, name="generations")
app.add_typer(batch, name="batch")
app.add_typer(bulk, name="bulk")


class _InterruptedError(Exception):
    """The user pressed Ctrl-C."""


def run() -> int:
    """Run the command and give its exit code: 0 done, 1 it came to nothing, 2 it was asked for wrongly."""
    try:
        app()
    except SystemExit as end:  # typer's way to say that it is done, or that the usage was wrong
        return end.code if isinstance(end.code, int) else OK
    except ArgumentError as error:
        screen.fail(str(error))
        return USAGE
    except WaitTimeoutError as error:
        screen.fail(f"{error}\nLook again with: syncso generations get {error.id}")
    except (SyncError, OSError) as error:
        screen.fail(str(error))
    except _InterruptedError:
        screen.fail("interrupted; what was started goes on at the server: syncso generations list")
        return INTERRUPTED
    return FAILED


def _await(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        raise _InterruptedError from None


def _version(wanted: bool) -> None:  # noqa: FBT001  # typer's form of a callback
    if wanted:
        print(f"syncso {__version__}")  # noqa: T201
        raise typer.Exit


@app.callback()
def syncso(
    version: Annotated[  # typer hands it to the callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options of the command itself."""


def _ask(call: Callable[[AsyncSync], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with AsyncSync() as client:
            return await call(client)

    return _await(ask())


def _list(call: Callable[[AsyncSync], Awaitable[Any]], columns: list[str], *, as_json: bool) -> None:
    rows = _ask(call)
    if as_json:
        screen.show_json(rows)
    else:
        screen.show_table(list(getattr(rows, "items", rows)), columns)


def _one(call: Callable[[AsyncSync], Awaitable[Any]], *, as_json: bool) -> None:
    thing = _ask(call)
    if as_json:
        screen.show_json(thing)
    else:
        screen.show_fields(thing)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the videos.")] = Path("demo-output"),
    as_json: Json = False,
) -> None:
    """Make a playable video from a real clip and a real voice, awaited and blocking, on a local sandbox."""
    _need_av("the demonstration renders")
    from sync_async.cli import demo as demonstration

    shown = demonstration.demo(out)
    if as_json:
        print(demonstration.as_json(shown))  # noqa: T201


@app.command()
def sandbox(  # noqa: PLR0917  # typer makes options of them
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 3001,
    latency: Annotated[float, typer.Option(help="Seconds that a generation takes.")] = 3.0,
    concurrency: Annotated[int, typer.Option(help="Generations at once; 0 for no limit.")] = 3,
    posts_per_minute: Annotated[int, typer.Option(help="Creates a minute; 0 for no limit.")] = 100,
    polls_per_minute: Annotated[int, typer.Option(help="Reads a minute; 0 for no limit.")] = 600,
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything here; a temporary folder otherwise.")
    ] = None,
    render: Annotated[
        bool, typer.Option(help="Make a video from the inputs; without, the input is the output.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Serve a sync.so API on this machine. It makes playable videos with the new voice; it moves no lips.

    Any key is taken. Media on other machines are not fetched: the sandbox's own clip and voice stand for them.
    An output name that begins with sandbox_fail or sandbox_reject ends a generation that way.
    """
    from sync_async.sandbox.server import AsyncSandbox, PortInUseError, serve

    if render and importlib.util.find_spec("av") is None:
        screen.say("without PyAV the input video is the output: pip install 'syncso[sandbox]' to render")

    def announce(served: AsyncSandbox) -> None:
        if as_json:
            print(json.dumps({"base_url": served.base_url, "api_key": served.api_key}), flush=True)  # noqa: T201
            return
        screen.say(
            f"sandbox of the sync.so API on {served.base_url} (it renders, but moves no lips); Ctrl-C ends it"
        )
        screen.say(f"export SYNC_BASE_URL={served.base_url} SYNC_API_KEY={served.api_key}")

    served = AsyncSandbox(
        host=host,
        port=port,
        latency=latency,
        concurrency=concurrency or None,
        posts_per_minute=posts_per_minute or None,
        polls_per_minute=polls_per_minute or None,
        folder=folder,
        render=render,
    )
    try:
        _await(serve(served, announce=announce))
    except PortInUseError as error:
        raise ArgumentError("--port", str(error)) from error


@app.command()
def generate(  # noqa: PLR0917  # typer makes options of them
    video: Annotated[str, typer.Option(help="The video: a path or a URL.")],
    audio: Annotated[str | None, typer.Option(help="The voice: a path or a URL.")] = None,
    text: Annotated[str | None, typer.Option(help="What is said, instead of --audio.")] = None,
    voice: Annotated[str | None, typer.Option(help="Who says --text: the id of a voice.")] = None,
    model: Annotated[str, typer.Option(help="The model; 'syncso models' lists them.")] = "lipsync-2",
    sync_mode: Annotated[str | None, typer.Option(help="bounce, loop, cut_off, silence or remap.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where the video is to be saved.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Lip-sync a video to a voice, wait for the result, and save it."""
    from sync_async.cli.generate import Wanted
    from sync_async.cli.generate import generate as make

    wanted = Wanted(
        video=video,
        audio=audio,
        text=text,
        voice=voice,
        model=model,
        sync_mode=sync_mode,
        output=output,
        overwrite=force,
        timeout=timeout,
    )
    try:
        done = _await(make(wanted))
    except GenerationFailedError as error:
        if as_json:
            screen.show_json(error.generation)
        raise
    if as_json:
        screen.show_json(done)
    else:
        print(done.output_url if output is None else _saved(done, output))  # noqa: T201


def _saved(generation: Generation, output: Path) -> Path:
    from sync_async.transfer.download import name_of_output

    return output / name_of_output(generation) if output.is_dir() else output


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that the key may use."""
    _list(lambda client: client.models.list(), ["name", "type", "version", "description"], as_json=as_json)


@assets.command("list")
def list_assets(
    limit: Annotated[int | None, typer.Option(help="1 to 100.")] = None,
    search: Annotated[str | None, typer.Option(help="Part of the name.")] = None,
    as_json: Json = False,
) -> None:
    """List assets, newest first."""
    columns = ["id", "type", "name", "duration_seconds", "created_at"]
    _list(
        lambda client: client.assets.list(limit=limit, search_query=search, sort_by="dateDesc"),
        columns,
        as_json=as_json,
    )


@assets.command("get")
def get_asset(id: str, as_json: Json = False) -> None:
    """Show one asset."""
    _one(lambda client: client.assets.get(id), as_json=as_json)


@assets.command("upload")
def upload_asset(
    file: Annotated[Path, typer.Argument(help="The file.")],
    name: Annotated[str | None, typer.Option(help="Its name in the library.")] = None,
    as_json: Json = False,
) -> None:
    """Add a file to the library."""

    async def upload() -> Asset:
        async with AsyncSync() as client:
            with screen.watching() as watch:
                return await client.assets.upload(file, name=name, on_progress=watch.bytes_of("uploading"))

    asset = _await(upload())
    if as_json:
        screen.show_json(asset)
    else:
        print(asset.id)  # noqa: T201


@generations.command("list")
def list_generations(
    status: Annotated[list[str] | None, typer.Option(help="Only these; may be given several times.")] = None,
    as_json: Json = False,
) -> None:
    """List generations."""
    columns = ["id", "status", "model", "created_at", "output_duration", "error_code"]
    _list(lambda client: client.generations.list(status=status), columns, as_json=as_json)


@generations.command("get")
def get_generation(id: str, as_json: Json = False) -> None:
    """Show one generation."""
    _one(lambda client: client.generations.get(id), as_json=as_json)


@generations.command("wait")
def wait_for_generation(id: str, timeout: Timeout = None, as_json: Json = False) -> None:
    """Wait until a generation has ended."""

    async def wait() -> Generation:
        async with AsyncSync() as client:
            with screen.watching() as watch:
                return await client.generations.wait(id, timeout=timeout, on_update=watch.note)

    done = _await(wait())
    if as_json:
        screen.show_json(done)
    else:
        screen.show_fields(done)


@generations.command("download")
def download_generation(
    id: str,
    output: Annotated[Path, typer.Option("--output", "-o", help="A file, or a folder that is there.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Fetch the video of a generation; one that broke off is gone on with."""

    async def download() -> Path:
        async with AsyncSync() as client:
            with screen.watching() as watch:
                listen = watch.bytes_of("downloading")
                return await client.generations.download(id, output, overwrite=force, on_progress=listen)

    print(_await(download()))  # noqa: T201


@batch.command("list")
def list_batches(
    status: Annotated[str | None, typer.Option(help="Only those with this status.")] = None, as_json: Json = False
) -> None:
    """List batches, newest first."""
    _list(lambda client: client.batch.list(status=status), ["id", "status", "created_at"], as_json=as_json)


@batch.command("get")
def get_batch(id: str, as_json: Json = False) -> None:
    """Show one batch."""
    _one(lambda client: client.batch.get(id), as_json=as_json)


@batch.command("wait")
def wait_for_batch(id: str, timeout: Timeout = None, as_json: Json = False) -> None:
    """Wait until a batch has ended."""

    async def wait() -> BatchResponse:
        async with AsyncSync() as client:
            with screen.watching() as watch:

                def note(batch: BatchResponse) -> None:
                    total = batch.metrics.total_generations or 0
                    done = total - (batch.metrics.pending_count or 0)
                    watch.note_status(batch.id, batch.status, 100 * done / total if total else None)

                return await client.batch.wait(id, timeout=timeout, on_update=note)

    done = _await(wait())
    if as_json:
        screen.show_json(done)
    else:
        screen.show_fields(done)


@batch.command("results")
def batch_results(id: str) -> None:
    """Print what became of each row of a batch: JSON Lines, as the server wrote them."""
    for row in _ask(lambda client: client.batch.results(id)).values():
        print(json.dumps(row.raw, ensure_ascii=False))  # noqa: T201


def _need_av(why: str) -> None:
    if importlib.util.find_spec("av") is None:
        raise SyncError(f"{why}, which needs PyAV: pip install 'syncso[sandbox]'")


if __name__ == "__main__":
    sys.exit(run())
