"""The xclbin container: what is written comes back, and what is damaged does not."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from xrt_boards import ADDER, BANKS, CONTAINER

from transfab.host.xrt.xclbin import (
    DIGEST,
    HEAD,
    MEMORIES,
    SECTION,
    WRITER,
    Argument,
    Bank,
    Container,
    Kernel,
    stream_argument,
    write,
)
from transfab.host.xrt.xclbin_reader import read

MOVER = Kernel(
    "read_hidden",
    0x20000,
    (Argument("memory", 0x10, 8, "bank0"), Argument("length", 0x1C, 4)),
    control="ap_ctrl_hs",
    instance="mover",
    span=0x1000,
)
BARE = Kernel("layer", 0x1_0000_0000, (Argument("sequence", 0x10, 4),))
INDEXED = (Bank("HBM[0]", 0, 1 << 20), Bank("HBM[31]", 1 << 20, 1 << 20))


def unit(name: str, base: int, bank: str) -> Kernel:
    """One of several compute units of a kernel with a stream."""
    memory = Argument("memory", 0x10, 8, bank)
    arguments = (stream_argument("stream"), memory, Argument("bytes", 0x1C, 4))
    return Kernel("write_memory", base, arguments, instance=name)


UNITS = (unit("write_a", 0x20000, "HBM[31]"), unit("write_b", 0x30000, "HBM[0]"))


@pytest.mark.parametrize(
    "container",
    [
        CONTAINER,
        Container((ADDER, MOVER, BARE), BANKS, bitstream=bytes(range(256)) * 3, platform="u280"),
        Container((), ()),
        Container((*UNITS, BARE), INDEXED),
        Container((BARE,), (Bank("fifteen_letters", 1 << 40, 1 << 34),), bitstream=b""),
    ],
)
def test_a_container_comes_back(tmp_path: Path, container: Container) -> None:
    uuid = write(container, tmp_path / "some.xclbin")
    assert read(tmp_path / "some.xclbin") == replace(container, uuid=uuid)


def test_kernels_are_in_the_order_of_their_addresses(tmp_path: Path) -> None:
    write(Container((BARE, MOVER, ADDER), BANKS), tmp_path / "some.xclbin")
    assert read(tmp_path / "some.xclbin").kernels == (ADDER, MOVER, BARE)


def test_the_same_content_gives_the_same_bytes_and_other_content_another_uuid(
    tmp_path: Path,
) -> None:
    uuids = [write(CONTAINER, tmp_path / f"{index}.xclbin") for index in range(2)]
    assert (tmp_path / "0.xclbin").read_bytes() == (tmp_path / "1.xclbin").read_bytes()
    other = write(replace(CONTAINER, bitstream=b"other"), tmp_path / "other.xclbin")
    assert len({*uuids, other}) == 2


def test_its_header_is_xrts(tmp_path: Path) -> None:
    """Places and sizes as xclbin.h of XRT gives them."""
    uuid = write(CONTAINER, tmp_path / "some.xclbin")
    data = (tmp_path / "some.xclbin").read_bytes()
    assert (HEAD.size, SECTION.size) == (456, 40)
    assert data[:8] == b"xclbin2\0"
    assert struct.unpack_from("<Q", data, 304) == (len(data),)
    assert data[416:432] == uuid
    (count,) = struct.unpack_from("<I", data, 448)
    headers = [struct.unpack_from("<I16s4xQQ", data, 456 + 40 * index) for index in range(count)]
    assert sorted(kind for kind, *_ in headers) == [0, 2, 6, 7, 8, 16]
    assert all(at % 8 == 0 for _, _, at, _ in headers)
    (memory,) = (data[at : at + size] for kind, _, at, size in headers if kind == MEMORIES)
    assert memory == b"".join(
        [
            struct.pack("<i4x", 2),
            struct.pack("<BB6xQQ16s", 1, 1, 1 << 13, 0, b"bank0"),
            struct.pack("<BB6xQQ16s", 1, 1, 1 << 14, 1 << 23, b"bank1"),
        ]
    )


def refused(path: Path) -> str:
    """The one line that says why."""
    with pytest.raises(ValueError, match="xclbin") as caught:
        read(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


def test_any_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.xclbin"
    write(CONTAINER, path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        refused(path)


def test_a_cut_or_longer_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.xclbin"
    write(CONTAINER, path)
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path)
    path.write_bytes(whole + b"\0")
    refused(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"xclbin2\0", b"xclbin0\0", "begins with"),
        (
            struct.pack("<i", 2) + bytes(4) + b"\1\1",
            struct.pack("<i", 99) + bytes(4) + b"\1\1",
            "99",
        ),
        (struct.pack("<iii", 2, 0, 1), struct.pack("<iii", 2, 0, 7), "bank 7 of 2"),
        (b"adder:adder_1", b"udder:adder_1", "udder"),
        (b"<kernel", b"<<ernel", "no whole xclbin"),
        (b'offset="0x1c"', b'offset="0xzz"', "no whole xclbin"),
        (struct.pack("<I", 8) + b"IP_LAYOUT", struct.pack("<I", 9) + b"IP_LAYOUT", "no section IP"),
    ],
)
def test_a_container_without_a_digest_is_still_checked(
    tmp_path: Path, old: bytes, new: bytes, words: str
) -> None:
    """AMD's xclbins have no digest of ours."""
    path = tmp_path / "some.xclbin"
    write(CONTAINER, path)
    data = path.read_bytes().replace(DIGEST, b"x" * len(DIGEST))
    data = data.replace(WRITER + bytes(8), bytes(16))
    path.write_bytes(data)
    assert read(path).kernels == CONTAINER.kernels
    assert old in data
    path.write_bytes(data.replace(old, new))
    assert words in refused(path)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CONTAINER, banks=(BANKS[0],)),
        replace(CONTAINER, banks=(*BANKS, BANKS[0])),
        replace(CONTAINER, banks=(*BANKS, Bank("more", 0, 1000))),
        replace(CONTAINER, banks=(*BANKS, Bank("sixteen_letters_", 0, 1024))),
        replace(CONTAINER, kernels=(replace(ADDER, control="ap_ctrl_none"),)),
        replace(CONTAINER, kernels=(replace(ADDER, name="a:b"),)),
        replace(CONTAINER, banks=(*BANKS, Bank("HBM[]", 0, 1024))),
        replace(CONTAINER, banks=(*BANKS, Bank("a:b", 0, 1024))),
        Container((UNITS[0], UNITS[0]), INDEXED),
        Container((UNITS[0], replace(UNITS[1], span=0x1000)), INDEXED),
        Container((UNITS[0], replace(UNITS[1], control="ap_ctrl_hs")), INDEXED),
        Container((UNITS[0], replace(UNITS[1], arguments=UNITS[1].arguments[1:])), INDEXED),
        replace(CONTAINER, kernels=(replace(ADDER, instance="x" * 60),)),
        replace(CONTAINER, kernels=(replace(BARE, arguments=(Argument("a", 0x0C, 4),)),)),
        replace(CONTAINER, kernels=(replace(BARE, arguments=(Argument("a", 0x10, 4, "bank0"),)),)),
    ],
)
def test_what_does_not_fit_the_format_is_not_written(tmp_path: Path, wrong: Container) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        write(wrong, tmp_path / "some.xclbin")
    assert not (tmp_path / "some.xclbin").exists()
