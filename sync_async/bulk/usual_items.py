"""New rows column by column: to make an object of each of a million takes longer than what is done with them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import overload

import attrs

from sync_async.bulk.records import NewItem


@attrs.frozen(eq=False)
class Expected:
    """What is expected of a row, the same object for those of which the same is expected.

    Attributes:
        prio: Those with a higher one go first.
        est_micro: What it is expected to cost, or None.
        predicted_s: Seconds that its job is expected to take, or None.
    """

    prio: int = 0
    est_micro: int | None = None
    predicted_s: float | None = None


@attrs.frozen(eq=False)
class UsualItems(Sequence[NewItem]):
    """Rows whose bodies are final and that have no problems; as a sequence, each of them as a `NewItem`.

    Attributes:
        item_ids: Their names.
        bodies: The bytes to send.
        payloads: What they ask for, as `keys.payload_sha` gives it.
        expected: What is expected of each.
        are_first: Whether it is known of all that no earlier row of the same intake asks for the same.
    """

    item_ids: Sequence[str]
    bodies: Sequence[bytes]
    payloads: Sequence[bytes]
    expected: Sequence[Expected]
    are_first: bool = False

    @classmethod
    def joined(cls, parts: Sequence[UsualItems]) -> UsualItems:
        """Join what lies side by side."""
        return cls(
            list(chain.from_iterable(part.item_ids for part in parts)),
            list(chain.from_iterable(part.bodies for part in parts)),
            list(chain.from_iterable(part.payloads for part in parts)),
            list(chain.from_iterable(part.expected for part in parts)),
            are_first=all(part.are_first for part in parts),
        )

    def __len__(self) -> int:
        return len(self.item_ids)

    @overload
    def __getitem__(self, place: int) -> NewItem: ...

    @overload
    def __getitem__(self, place: slice) -> list[NewItem]: ...

    def __getitem__(self, place: int | slice) -> NewItem | list[NewItem]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        expected = self.expected[place]
        return NewItem(
            item_id=self.item_ids[place],
            body=self.bodies[place],
            payload_sha=self.payloads[place],
            prio=expected.prio,
            est_micro=expected.est_micro,
            predicted_s=expected.predicted_s,
            is_first=self.are_first,
        )
