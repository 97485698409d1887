"""Values of a row by their names."""

from collections.abc import Mapping, Sequence
from typing import Any


def find(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first value under one of these names (dots lead into objects) that is not null, or None."""
    for name in names:
        value = values.get(name)
        if value is None and "." in name:
            value = values
            for key in name.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    return None


def find_word(values: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The same for a short fact (an id, a licence): text, or a number as it is written; anything else is none."""
    value = find(values, names)
    if isinstance(value, str) and is_text(value):
        return value.strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: JSON may escape half a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
