"""Thrift's compact protocol, as far as it takes to read some numbers out of what Parquet writes in it."""

from collections.abc import Mapping
from typing import Any

# Fields by their numbers: None for a whole number, else what is wanted of a struct, or of each struct in a list.
Wanted = Mapping[int, "Wanted | None"]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_NUMBERS = frozenset({_I16, _I32, _I64})
_LONG = 15
_NUMBER_BITS = 64
_MOST_DEPTH = 16


class ThriftReader:
    """Reads structs of `content`, the next one at `place`.

    Everything raises ValueError where it is none, or ends before its end; what is not wanted is not kept.
    """

    def __init__(self, content: bytes, place: int) -> None:
        self._content = content
        self.place = place

    def read(self, wanted: Wanted) -> Mapping[int, Any]:
        """The wanted fields of a struct, as far as they are there; of one that is there twice the last counts."""
        try:
            return self._struct(wanted, 0)
        except IndexError:
            raise ValueError("a struct does not end") from None

    def _struct(self, wanted: Wanted, depth: int) -> dict[int, Any]:
        if depth > _MOST_DEPTH:
            raise ValueError("a struct is too deep")
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._number()
            kind = head & 15
            if number in wanted:
                fields[number] = self._wanted(kind, wanted[number], depth)
            elif kind not in {_TRUE, _FALSE}:
                # A truth value is told by its type, but in lists.
                self._skip(kind, depth)
        return fields

    def _wanted(self, kind: int, wanted: "Wanted | None", depth: int) -> Any:
        if wanted is None and kind in _NUMBERS:
            return self._number()
        if wanted is not None and kind == _STRUCT:
            return self._struct(wanted, depth + 1)
        if wanted is not None and kind == _LIST:
            element, size = self._list_head()
            if element == _STRUCT:
                return [self._struct(wanted, depth + 1) for _ in range(size)]
        raise ValueError("a field is of another type")

    def _skip(self, kind: int, depth: int) -> None:
        if kind in _NUMBERS:
            self._varint()
        elif kind == _STRUCT:
            self._struct({}, depth + 1)
        elif kind in {_LIST, _SET}:
            element, size = self._list_head()
            for _ in range(size):
                self._skip(element, depth + 1)
        elif kind in {_TRUE, _FALSE, _BYTE}:
            self.place += 1
        elif kind == _DOUBLE:
            self.place += 8
        elif kind == _BINARY:
            length = self._varint()
            self.place += length
        else:
            # Nothing in Parquet has a map.
            raise ValueError("a field is of no type")

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        size = head >> 4
        if size == _LONG:
            size = self._varint()
        if size > len(self._content) - self.place:
            raise ValueError("a list does not end")
        return head & 15, size

    def _number(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift >= _NUMBER_BITS:
                raise ValueError("a number is too long")
        return value | byte << shift

    def _byte(self) -> int:
        byte = self._content[self.place]
        self.place += 1
        return byte
