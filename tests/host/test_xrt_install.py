"""Installing XRT where something is missing or wrong: one line, and nothing left behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from xrt_boards import BANKS

from transfab.host.xrt.emulation import environment
from transfab.host.xrt.install import PACKAGES, XrtMissing, install, installed
from transfab.host.xrt.xclbin import Bank

Tools = Callable[..., None]
pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="g++ is missing")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """Put scripts first in a PATH that has else only g++; an empty cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    compiler = shutil.which("g++")
    assert compiler is not None
    (folder / "g++").symlink_to(compiler)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(**scripts: str) -> None:
        for name, lines in scripts.items():
            script = folder / name.replace("_", "-")
            script.write_text(f"#!/bin/sh\n{lines}\n")
            script.chmod(0o755)

    return write


def refused(tmp_path: Path) -> str:
    with pytest.raises(XrtMissing) as caught:
        install(lambda line: None)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").rglob("*.*")) == []
    assert installed() is None
    return str(caught.value)


def test_without_apt_there_is_no_xrt(tmp_path: Path, tools: Tools) -> None:
    tools(dpkg_deb="")
    assert refused(tmp_path).startswith("no apt-get: ")


def test_without_a_compiler_there_is_no_xrt(
    tmp_path: Path, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools(dpkg_deb="", apt_get="")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "no-such-compiler is not installed" in refused(tmp_path)


def test_a_package_that_apt_has_not_is_named_after_one_update(tmp_path: Path, tools: Tools) -> None:
    log = tmp_path / "log"
    tools(dpkg_deb="", apt_get=f'echo "$1" >> {log}; echo "E: Version not found" >&2; exit 100')
    line = refused(tmp_path)
    assert "libxrt1=202210.2.13.466+dfsg-8" in line
    assert "E: Version not found" in line
    assert log.read_text().split() == ["download", "update", "download"]


def test_a_package_of_another_hash_is_not_unpacked(tmp_path: Path, tools: Tools) -> None:
    files = " ".join(f"{name}_1_amd64.deb" for name, *_ in PACKAGES)
    unpacked = tmp_path / "unpacked"
    tools(dpkg_deb=f": > {unpacked}", apt_get=f"for f in {files}; do echo other > $f; done")
    assert f"not {PACKAGES[0][2]}" in refused(tmp_path)
    assert not unpacked.exists()


def test_an_emulation_without_xrt_says_how_to_install_it(tmp_path: Path, tools: Tools) -> None:
    with pytest.raises(XrtMissing, match=r"python -m transfab\.host\.xrt\.install"):
        environment(tmp_path, "adder:make", 1, BANKS)


@pytest.mark.parametrize(
    "banks", [[Bank("a", 0, 3 << 10)], [Bank("a", 1024, 1024)], [*BANKS, Bank("c", 0, 1024)]]
)
def test_banks_that_the_shim_would_place_elsewhere_are_refused(
    tmp_path: Path, banks: list[Bank]
) -> None:
    with pytest.raises(ValueError, match="must begin at"):
        environment(tmp_path, "adder:make", 1, banks, xrt=tmp_path)
    with pytest.raises(ValueError, match="1 board or more, not 0"):
        environment(tmp_path, "adder:make", 0, [], xrt=tmp_path)
