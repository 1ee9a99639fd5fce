"""How many examples a property is tried with: few on each run, many with HYPOTHESIS_PROFILE=long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = {"short": 1, "long": 40}
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")


def examples(number: int) -> settings:
    """Ask for so many examples, new ones in each run; a failing one is printed with its way back."""
    return settings(
        max_examples=number * TIMES[PROFILE],
        deadline=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
