"""The slots that a run holds at the server, counted for the seeker, which decides whether there is one more."""

from __future__ import annotations

import attrs

from sync_async.bulk.clock import Clock, clock
from sync_async.bulk.outcome import Outcome, SlotStep
from sync_async.bulk.pulse import Pulse
from sync_async.bulk.seeker import CapSeeker, Post


@attrs.define(eq=False)
class Slots:
    """Slots that are held: jobs not seen to have ended, creates in the air, and rows with an unclear outcome.

    Args:
        seeker: Decides whether one more may be asked for.
        changed: Told of whatever may open the gate.
    """

    seeker: CapSeeker
    changed: Pulse
    _now: Clock = attrs.field(init=False, factory=clock)
    held: int = attrs.field(init=False, default=0)
    in_air: int = attrs.field(init=False, default=0)
    posts: int = attrs.field(init=False, default=0)
    """Creates that were sent, repeats included."""
    refusals: int = attrs.field(init=False, default=0)
    """Creates that were refused because too many generations ran."""

    def may_take(self) -> bool:
        """Tell whether a row may be sent that holds no slot."""
        return self.seeker.may_submit(self._now(), self.held, self.in_air)

    def wait(self) -> float | None:
        """Give the seconds after which there may be a slot without anything happening; None for never."""
        wake = self.seeker.wake(self._now())
        return None if wake is None else max(0.0, wake - self._now())

    def room(self) -> int:
        """Estimate how many rows may be sent now."""
        seeker = self.seeker
        trials = max(1, seeker.level // 2) - seeker.trials if seeker.climbing else 0
        return max(1, seeker.level - self.held + trials)

    def take(self) -> Post:
        """Hold a slot for a create that is being sent."""
        post = self.seeker.sent(self._now(), self.held)
        self.held += 1
        return self._sent(post)

    def repeat(self) -> Post:
        """Send again a row that holds its slot since its outcome became unclear."""
        return self._sent(self.seeker.repeated(self._now()))

    def _sent(self, post: Post) -> Post:
        self.in_air += 1
        self.posts += 1
        return post

    def answered(self, post: Post, outcome: Outcome) -> None:
        """Take note of what became of a create."""
        now, seeker = self._now(), self.seeker
        self.in_air -= 1
        match outcome.slot:
            case SlotStep.ACCEPTED:
                seeker.accepted(post, now)
            case SlotStep.KEPT:
                seeker.returned(post, now)
            case SlotStep.RETURNED:
                self.held -= 1
                seeker.returned(post, now)
            case SlotStep.REFUSED:
                self.held -= 1
                self.refusals += 1
                seeker.refused(post, now, self.held, told=outcome.told, hint=outcome.hint)
        self.changed.beat()

    def restore(self, jobs: int) -> None:
        """Count jobs that run since before this process."""
        self.held += jobs
        self.changed.beat()

    def ended(self) -> None:
        """Take note of a job that was seen to have ended."""
        self.seeker.finished(self._now(), self.held)
        self.held -= 1
        self.changed.beat()

    def announced(self, *, before: int, cap: int) -> None:
        """Take note of a cap that the account names and that has changed."""
        self.seeker.announced(self._now(), before=before, cap=cap)
        self.changed.beat()

    def limit(self, most: int | None) -> None:
        """Hold at most so many from now on; those above it run to their end."""
        self.seeker.ceiling = most
        self.changed.beat()

    def looked(self, running: int, began: float) -> None:
        """Take note of a look at all jobs; see `CapSeeker.looked`."""
        self.seeker.looked(self._now(), running, began=began)
        self.changed.beat()
