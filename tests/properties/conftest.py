"""Properties that hold for whatever comes: more time for those who ask for many examples."""

from __future__ import annotations

from typing import Any

import pytest

from tests.properties.effort import PROFILE


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Let the long form take as long as it takes."""
    for item in items:
        if "/properties/" in str(item.path) and PROFILE == "long":
            item.add_marker(pytest.mark.timeout(1800))
