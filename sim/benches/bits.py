"""One handshake out of a vector of them: `name_valid_i[index]`, `name_data_i[index]` and so on."""

from __future__ import annotations

from typing import Any


class Slice:
    """Looks like a module whose streams are those of `index`, for a Source or a Sink.

    shared  what the slices of one module drive together, the same dict for all of them
    """

    def __init__(self, dut: Any, index: int, shared: dict[str, int]) -> None:
        self._dut, self._index, self._shared = dut, index, shared

    def __getattr__(self, name: str) -> Any:
        handle = getattr(self._dut, name)
        if "_valid_" in name or "_ready_" in name:
            return _Bit(handle, self._index, self._shared)
        return handle[self._index] if "_data_" in name else handle


class _Bit:
    def __init__(self, handle: Any, index: int, shared: dict[str, int]) -> None:
        self._handle, self._index, self._shared = handle, index, shared

    @property
    def value(self) -> int:
        return int(self._handle.value) >> self._index & 1

    @value.setter
    def value(self, bit: int) -> None:
        name = self._handle._name
        kept = self._shared.get(name, 0) & ~(1 << self._index)
        self._shared[name] = kept | bit << self._index
        self._handle.value = self._shared[name]
