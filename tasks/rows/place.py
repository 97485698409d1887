"""A row, its place in its file, and what stands in for one that could not be read."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from tasks.executor import RecordDied
from tasks.extract.reasons import LossReason


class Place(NamedTuple):
    """Where something stands in its file; see `tasks.rows` for `space`."""

    space: str
    offset: int
    length: int


class Row(NamedTuple):
    """A row and its place."""

    place: Place
    values: Mapping[str, Any]


class Unread(NamedTuple):
    """A stretch of the file that gave no row, and why."""

    place: Place
    reason: str
    detail: str


class Unusable(ValueError):
    """A row that is not what its reader takes: `reason` to count by, `detail` for a person (never text of the row)."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Guard(Protocol):
    """`tasks.executor.Watch.guard`, or what stands in for it: calls a function for a key, which grows."""

    def __call__(self, key: int, function: Callable[..., Any], *arguments: Any) -> Any: ...


def unguarded(key: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """A guard that only calls."""
    return function(*arguments)


def died(place: Place, death: RecordDied) -> Unread:
    """What a guarded call for this place leaves when it kills its process."""
    return Unread(place, LossReason(death.death.reason), death.death.detail)
