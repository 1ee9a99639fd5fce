"""Runs of thousands of generations from one manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from sync_async.resources._resource import Resource

if TYPE_CHECKING:
    import os

    from sync_async.bulk.plan import Plan


@attrs.frozen
class AsyncBulk(Resource):
    """Runs of thousands of generations from one manifest."""

    async def plan(
        self,
        items: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
        *,
        defaults: Mapping[str, Any] | None = None,
        base: str | os.PathLike[str] | None = None,
        prices: bool = True,
    ) -> Plan:
        """Check every row of a manifest, and tell what it will come to; nothing is bought.

        Args:
            items: A `.csv`, `.jsonl` (both also `.gz`) or `.parquet` file, rows as mappings, or Arrow data.
            defaults: Columns for rows that leave them out, such as `{"model": "lipsync-2"}`.
            base: The folder against which paths of media are taken; by default that of the manifest, else the
                current one.
            prices: Ask the server for prices; without, all are unknown.

        Returns:
            Rows, doubles, problems, seconds, price and time; see `Plan`.

        Raises:
            ArgumentError: The manifest cannot be read at all. What is wrong with rows stands in the plan.
            ApiError, ApiConnectionError: Prices cannot be asked for.

        Example:
            plan = await client.bulk.plan("jobs.csv")
            print(plan.rows, plan.price, plan.problems)
        """
        from sync_async.bulk.manifest import read_manifest
        from sync_async.bulk.plan import Planner
        from sync_async.bulk.prices import Prices
        from sync_async.bulk.rows import RowReader

        rows = read_manifest(items)
        folder = Path(items).parent if base is None and isinstance(items, str | Path) else Path(base or ".")
        return await Planner(RowReader(folder, defaults), Prices(self._caller) if prices else None).plan(rows)
