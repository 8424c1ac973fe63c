"""What has been sent and Kafka has not acknowledged, in order and within a bound. Pure: it knows no producer."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Unacknowledged(Generic[Item]):
    """Messages by rising numbers, each kept until it is acknowledged or a newer one takes its place.

    A message is *settled* once it and everything before it is acknowledged or replaced. ``limit`` is in bytes; it
    refuses nothing, it only says when it is exceeded (`full`).
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[int, tuple[Item, int, Hashable]] = {}
        self._newest: dict[Hashable, int] = {}
        self.added = 0
        """Messages ever added, which is the number of the last one."""
        self.bytes = 0
        self._first = 1
        """No number below it waits; it only moves forward."""

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[tuple[int, Item]]:
        """Numbers and messages in order, as they are now."""
        return iter([(number, item) for number, (item, _, _) in self._items.items()])

    def add(self, item: Item, size: int, replaces: Hashable = None) -> int:
        """Keep a message of ``size`` bytes and return its number; one that ``replaces`` the same value is dropped."""
        self.added += 1
        if replaces is not None:
            self._drop(self._newest.get(replaces))
            self._newest[replaces] = self.added
        self._items[self.added] = (item, size, replaces)
        self.bytes += size
        return self.added

    def get(self, number: int) -> Item | None:
        """The message of this number; ``None`` once it is acknowledged or replaced."""
        found = self._items.get(number)
        return None if found is None else found[0]

    def acknowledge(self, number: int) -> Item | None:
        """Kafka has the message: forget it and return it; ``None`` when it is not waited for (any more)."""
        return self._drop(number)

    def settled(self, upto: int | None = None) -> bool:
        """Whether every message up to this number, or every one there is, is acknowledged or replaced."""
        return not self._items or self.first > (self.added if upto is None else upto)

    @property
    def first(self) -> int:
        """Number of the first message not acknowledged; of the next one to come when there is none."""
        while self._first <= self.added and self._first not in self._items:
            self._first += 1
        return self._first

    @property
    def full(self) -> bool:
        """Whether as many bytes wait as may."""
        return self.bytes >= self._limit

    def _drop(self, number: int | None) -> Item | None:
        found = None if number is None else self._items.pop(number, None)
        if found is None:
            return None
        item, size, replaces = found
        self.bytes -= size
        if replaces is not None and self._newest.get(replaces) == number:
            del self._newest[replaces]
        return item
