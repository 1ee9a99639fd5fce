"""Bodies that are nearly right: valid ones with a value replaced, taken away, added, or under another name."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.properties.shapes import JSON

Place = tuple[Any, Any]
"""A list or object, and the index or name in it."""


def places_in(value: Any) -> Iterator[Place]:
    """Give every place in a JSON value."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        yield value, step
        yield from places_in(part)


@st.composite
def mutated(draw: st.DrawFn, valid: st.SearchStrategy[Any]) -> Any:
    """Change up to three places of a valid body, or all of it."""
    value = copy.deepcopy(draw(valid))
    for _ in range(draw(st.integers(1, 3))):
        places = list(places_in(value))
        if not places or draw(st.integers(0, 9)) == 0:
            return draw(JSON)
        holder, step = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "remove", "rename", "wrap"])):
            case "replace":
                holder[step] = draw(JSON)
            case "remove":
                del holder[step]
            case "rename" if isinstance(holder, dict):
                holder[draw(st.text(max_size=6))] = holder.pop(step)
            case _:
                holder[step] = [holder[step]]
    return value


def leads_into(path: str, value: Any) -> bool:
    """Tell whether a path such as `$.input[1].url` leads to a place in a value, or to one that is missing."""
    steps = re.findall(r"\.(\w+)|\[(\d+)\]", path[1:])
    if not path.startswith("$") or "".join(f".{n}" if n else f"[{i}]" for n, i in steps) != path[1:]:
        return False
    for place, (name, index) in enumerate(steps):
        if index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return bool(name) and isinstance(value, dict) and place == len(steps) - 1
    return True
