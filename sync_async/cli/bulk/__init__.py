"""The commands for bulk runs."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import attrs
import typer

from sync_async import ArgumentError, AsyncSync
from sync_async.bulk.ledger import Order
from sync_async.bulk.manifest import read_pieces
from sync_async.bulk.plan import POSTS_PER_MINUTE, Plan, Planner
from sync_async.bulk.results import ItemResult, RunStatus
from sync_async.bulk.rows import RowReader
from sync_async.bulk.sqlite import ledger_file
from sync_async.cli import screen
from sync_async.cli.bulk.doctor import examine
from sync_async.cli.bulk.holding import holding
from sync_async.cli.bulk.opening import awaited, choice, looked_at, pairs, with_run, with_run_of
from sync_async.cli.bulk.plan import PLANS_SLOTS, plan_to_wire, price_text, show_plan
from sync_async.cli.bulk.progress import Events, is_asked_on_a_terminal
from sync_async.cli.bulk.reading import Form, read_status, read_unsettled, write_results
from sync_async.cli.bulk.work import FAILED, OK, USAGE, ask, ask_consent, never_began, work_on
from sync_async.resources.bulk_run import AsyncBulkRun

bulk = typer.Typer(help="Plan and run thousands of generations from a manifest.", no_args_is_help=True)

Manifest = Annotated[Path, typer.Argument(help="The rows: .csv, .jsonl (both also .gz) or .parquet.")]
Folder = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder of the run.")]
Ledger = Annotated[Path | None, typer.Option(help="The ledger's file, if it is not in the folder.")]
Defaults = Annotated[
    list[str] | None, typer.Option("--default", help="A column for rows that leave it out: model=lipsync-2.")
]
Prices = Annotated[bool, typer.Option(help="Ask the server for prices.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Events_ = Annotated[bool, typer.Option("--json", help="Print events, one JSON object a line.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Agree to the price.")]
MaxConcurrency = Annotated[int | None, typer.Option(help="Most generations at once; found out by itself.")]
PostsPerMinute = Annotated[float | None, typer.Option(help="Creates a minute that the account takes.")]
Budget = Annotated[str | None, typer.Option(help="US dollars that may be spent.")]
AssumePrice = Annotated[str | None, typer.Option(help="US dollars to reserve for a row of unknown price.")]
Attempts = Annotated[int | None, typer.Option(help="Generations that a row may fail; each is a purchase.")]
Downloads = Annotated[int | None, typer.Option(help="Outputs that are fetched at once.")]


@bulk.command("plan")
def plan(  # noqa: PLR0917  # typer makes options of them
    manifest: Manifest,
    default: Defaults = None,
    max_concurrency: MaxConcurrency = None,
    posts_per_minute: Annotated[float, typer.Option(help="Creates a minute.")] = POSTS_PER_MINUTE,
    prices: Prices = True,
    as_json: Json = False,
) -> None:
    """Check every row, and tell what the run will cost and how long it will take. Nothing is bought."""
    if max_concurrency is not None and max_concurrency < 1:
        raise ArgumentError("--max-concurrency", f"{max_concurrency} is not a number from 1")
    if posts_per_minute <= 0:
        raise ArgumentError("--posts-per-minute", f"{posts_per_minute:g} is not above 0")
    slots = PLANS_SLOTS if max_concurrency is None else (max_concurrency,)
    made = awaited(_plan(manifest, _defaults(default), prices=prices))
    if as_json:
        print(json.dumps(plan_to_wire(made, slots, posts_per_minute), indent=2, default=str))  # noqa: T201
    else:
        show_plan(made, slots, posts_per_minute)
    if made.problems:
        raise SystemExit(USAGE)


@bulk.command("run")
def run(  # noqa: PLR0917  # typer makes options of them
    manifest: Manifest,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for outputs and for the ledger.")],
    budget: Budget = None,
    assume_price: AssumePrice = None,
    max_concurrency: MaxConcurrency = None,
    posts_per_minute: PostsPerMinute = None,
    attempts: Attempts = None,
    canary: Annotated[int | None, typer.Option(help="Rows that go ahead of the others; 0 for none.")] = None,
    breaker: Annotated[
        bool | None, typer.Option("--breaker/--no-breaker", help="Stop when many rows fail for one reason.")
    ] = None,
    dedupe: Annotated[bool, typer.Option(help="Buy rows that ask for the same once.")] = True,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Set rows with problems aside.")] = False,
    download: Annotated[bool | None, typer.Option("--download/--no-download", help="Fetch outputs.")] = None,
    downloads: Downloads = None,
    default: Defaults = None,
    prices: Prices = True,
    run_id: Annotated[str | None, typer.Option(help="The run's name, to know lost purchases again.")] = None,
    ledger: Ledger = None,
    yes: Yes = False,
    as_json: Events_ = False,
) -> None:
    """Buy what the rows ask for, and fetch it. With the same folder the same run goes on."""

    def open_run(client: AsyncSync) -> Coroutine[Any, Any, AsyncBulkRun]:
        return client.bulk.open(
            output,
            manifest,
            defaults=_defaults(default),
            budget=budget,
            assume_price=assume_price,
            max_concurrency=max_concurrency,
            posts_per_minute=posts_per_minute,
            attempts=attempts,
            canary=canary,
            breaker=breaker,
            download=download,
            downloads=downloads,
            dedupe=dedupe,
            skip_bad=skip_bad,
            prices=prices,
            run_id=run_id,
            ledger=ledger,
        )

    async def work(opened: AsyncBulkRun) -> int:
        slots = PLANS_SLOTS if max_concurrency is None else (max_concurrency,)
        made = await opened.plan()
        Events(wanted=as_json).tell("run_started", {"run_id": opened._work.run.run_id})  # noqa: SLF001  # as in `work`
        Events(wanted=as_json).tell("plan", plan_to_wire(made, slots, posts_per_minute or POSTS_PER_MINUTE))
        if not as_json:
            show_plan(made, slots, posts_per_minute or POSTS_PER_MINUTE, console=screen.err)
        await ask_consent(opened, agreed=yes or budget is not None)
        return await work_on(opened, output, ledger, as_json=as_json)

    with_run(open_run, work)


@bulk.command("resume")
def resume(  # noqa: PLR0917  # typer makes options of them
    output: Folder,
    budget: Budget = None,
    assume_price: AssumePrice = None,
    max_concurrency: MaxConcurrency = None,
    posts_per_minute: PostsPerMinute = None,
    attempts: Attempts = None,
    downloads: Downloads = None,
    ledger: Ledger = None,
    yes: Yes = False,
    as_json: Events_ = False,
) -> None:
    """Go on with the run of a folder, as it was started but for what is said here."""

    async def work(opened: AsyncBulkRun) -> int:
        if await never_began(opened):  # whoever began it was asked
            await ask_consent(opened, agreed=yes or opened._work.run.budget_micro is not None)  # noqa: SLF001  # as in `run`
        return await work_on(opened, output, ledger, as_json=as_json)

    with_run_of(
        output,
        ledger,
        work,
        budget=budget,
        assume_price=assume_price,
        max_concurrency=max_concurrency,
        posts_per_minute=posts_per_minute,
        attempts=attempts,
        downloads=downloads,
    )


@bulk.command("retry")
def retry(  # noqa: PLR0917  # typer makes options of them
    output: Folder,
    failed: Annotated[bool, typer.Option("--failed", help="All rows that have failed.")] = False,
    code: Annotated[list[str] | None, typer.Option(help="Those with this error code; several times.")] = None,
    id: Annotated[list[str] | None, typer.Option("--id", help="This row; several times.")] = None,
    ledger: Ledger = None,
    yes: Yes = False,
    as_json: Events_ = False,
) -> None:
    """Buy rows once more that have failed. These are new purchases."""
    if not (failed or code or id):
        raise ArgumentError("--failed", "say which rows: --failed for all, --code or --id for some")

    async def work(opened: AsyncBulkRun) -> int:
        wanted = await opened.retry(ids=id or None, codes=code or None, dry_run=True)
        if not wanted.rows:
            screen.say("no row has failed that way")
            return OK
        price = price_text(wanted.price, wanted.rows_of_unknown_price)
        if not yes:
            if not is_asked_on_a_terminal():
                raise ArgumentError(
                    "--yes", f"{wanted.rows:,} rows are to be bought again ({price}); agree with it"
                )
            ask(f"Buy {wanted.rows:,} rows again ({price})?")
        await opened.retry(ids=id or None, codes=code or None)
        return await work_on(opened, output, ledger, as_json=as_json)

    with_run_of(output, ledger, work)


@bulk.command("resolve")
def resolve(
    output: Folder,
    adopt: Annotated[list[str] | None, typer.Option(help="A row's generation: ITEM=ID; several times.")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A row to give up; several times.")] = None,
    ledger: Ledger = None,
) -> None:
    """Decide about rows of which nobody knows whether they were bought; without options, list them."""
    adopted = pairs("--adopt", adopt or [], "ITEM=ID")

    async def work(opened: AsyncBulkRun) -> int:
        await opened.resolve(adopt=adopted, drop=drop)
        return _tell_unsettled(await opened.unsettled())

    if adopted or drop:
        with_run_of(output, ledger, work)
    raise SystemExit(_tell_unsettled(looked_at(read_unsettled(output, ledger))))


def _tell_unsettled(rows: list[ItemResult]) -> int:
    for row in rows:
        screen.say(f"{row.item_id}: {row.state.value}, {row.error_code}: {row.error or 'no more is known'}")
    screen.say(f"{len(rows):,} rows to be decided about" if rows else "there is nothing to be decided about")
    return FAILED if rows else OK


@bulk.command("status")
def status(output: Folder, ledger: Ledger = None, as_json: Json = False) -> None:
    """Tell how a run stands, also beside the process that works on it."""
    found = looked_at(read_status(output, ledger))
    held = holding(output)
    if as_json:
        holder = None if held is None else attrs.asdict(held)
        print(json.dumps({"v": 1, **found.to_wire(), "holder": holder}, indent=2))  # noqa: T201
        return
    screen.show_facts({**_facts(found), "worked on by": "nobody" if held is None else str(held)})


@bulk.command("results")
def results(
    output: Folder,
    form: Annotated[str, typer.Option("--format", help="csv, jsonl or parquet.")] = "jsonl",
    order: Annotated[str, typer.Option(help="input or completion.")] = "input",
    to: Annotated[Path | None, typer.Option(help="A file to write instead of the screen.")] = None,
    ledger: Ledger = None,
) -> None:
    """Print all rows with what became of them, also beside the process that works on the run."""
    choice("--format", form, get_args(Form))
    choice("--order", order, get_args(Order))
    looked_at(write_results(output, ledger, cast("Form", form), cast("Order", order), to))


@bulk.command("report")
def report(
    output: Folder,
    to: Annotated[Path | None, typer.Option(help="A file to write instead of report.html in the folder.")] = None,
    ledger: Ledger = None,
) -> None:
    """Write a page with what a run has come to: rows, failures, money, time; also beside its process."""
    from sync_async.bulk.report import write_report  # the other commands do not wait for it

    screen.show_line(str(looked_at(write_report(ledger_file(output, ledger), output, to))))


@bulk.command("doctor")
def doctor(
    output: Annotated[Path | None, typer.Argument(metavar="[OUTPUT]", help="The folder of a run.")] = None,
    ledger: Ledger = None,
) -> None:
    """Tell whether this machine, a folder and the clock are fit for a run. Nothing is bought."""

    async def look() -> int:
        code = OK
        async for finding in examine(output, ledger):
            screen.show_line(f"{finding.grade:8} {finding.what}: {finding.text}")
            code = FAILED if finding.grade == "problem" else code
        return code

    raise SystemExit(awaited(look()))


async def _plan(manifest: Path, defaults: dict[str, str], *, prices: bool) -> Plan:
    if not prices:  # no key is needed for that
        return await Planner(RowReader(manifest.parent, defaults), None).plan(read_pieces(manifest))
    async with AsyncSync() as client:
        return await client.bulk.plan(manifest, defaults=defaults)


def _facts(found: RunStatus) -> dict[str, str]:
    rows = {state.value: f"{count:,}" for state, count in found.rows.items()}
    reserved = {"reserved": f"${found.reserved:,.2f}"} if found.reserved else {}
    saved = {"saved": f"${found.saved:,.2f}"} if found.saved else {}
    budget = {} if found.budget is None else {"budget": f"${found.budget:,.2f}"}
    spent = price_text(found.spent, found.unpriced)
    return {"run": found.run_id, "rows": f"{found.total:,}", **rows, "spent": spent, **reserved, **saved, **budget}


def _defaults(given: list[str] | None) -> dict[str, str]:
    return pairs("--default", given or [], "column=value")
