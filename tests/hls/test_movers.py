"""The data movers as C++: a packet crosses memory unchanged, TLAST on its last beat alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from transfab.hls.ap_int import ap_int_headers
from transfab.hls.build import SOURCES
from transfab.quant.config import LayerConfig
from transfab.quant.contract.codegen import cpp_header
from transfab.quant.engine import Engine, Tile
from transfab.quant.native.build import compiler, missing_compiler

pytestmark = pytest.mark.skipif(compiler() is None, reason=missing_compiler())
PROGRAM = """
#include <vector>

#include "tops/read_memory.cpp"
#include "tops/write_memory.cpp"
using namespace transfab;

int main() {
  constexpr int kBytes = Config::kBeatBytes, kBeats = 5;
  std::vector<ConfigWord> from(kBeats), to(kBeats + 1);
  for (int beat = 0; beat < kBeats; ++beat) {
    BeatOf<Config> bytes;
    for (int i = 0; i < kBytes; ++i) bytes.byte[i] = UInt<8>(37 * beat + 11 * i + 200);
    from[beat] = WordOfBeat<kBytes>(bytes);
  }
  to[kBeats] = from[0];
  ConfigPort stream, again;
  read_memory(from.data(), stream, kBeats * kBytes);
  if (stream.size() != kBeats) return 1;
  for (int beat = 0; beat < kBeats; ++beat) {
    const auto word = stream.read();
    for (int i = 0; i < kBytes; ++i) {
      if (word.byte[i] != UInt<8>(37 * beat + 11 * i + 200)) return 2;
    }
    if (word.last != (beat == kBeats - 1)) return 3;
    again.write(word);
  }
  write_memory(again, to.data(), kBeats * kBytes);
  if (!again.empty()) return 4;
  for (int beat = 0; beat <= kBeats; ++beat) {
    const auto want = BeatOfWord<kBytes>(from[beat % kBeats], false);
    const auto have = BeatOfWord<kBytes>(to[beat], false);
    for (int i = 0; i < kBytes; ++i) {
      if (want.byte[i] != have.byte[i]) return 5;
    }
  }
  return 0;
}
"""


@pytest.mark.parametrize(
    ("beat_bytes", "variant"), [(16, "native"), (64, "native"), (64, "width_true")]
)
def test_a_packet_crosses_memory_and_a_stream(
    tmp_path: Path, beat_bytes: int, variant: str
) -> None:
    flags = [f"-I{tmp_path}", f"-I{SOURCES}", "-std=c++17", "-Wall", "-Wextra", "-Werror"]
    flags += ["-Wno-unknown-pragmas", "-Wno-unused-label"]
    if variant == "width_true":
        headers = ap_int_headers()
        if headers is None:
            pytest.skip("no ap_int.h: hls4ml is not installed")
        flags += ["-DTRANSFAB_WIDTH_TRUE", "-isystem", str(headers), "-Wno-maybe-uninitialized"]
    tile = Tile(2, 8)
    config = LayerConfig(8, 2, 16)
    engine = Engine(tile, tile, tile, tile, beat_bytes, 8)
    (tmp_path / "config.hpp").write_text(cpp_header(config, engine), encoding="utf-8")
    (tmp_path / "main.cpp").write_text(PROGRAM, encoding="utf-8")
    command = compiler()
    assert command is not None
    done = subprocess.run(
        [*command, *flags, "main.cpp", "-o", "movers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "movers"]).returncode == 0
