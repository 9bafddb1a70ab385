// A projection of a block of rows: int8 x int8 -> int32 with bias, 16 channels at a time.
//
// sum(a * w) = sum((a + 128) * w') - 128 * sum(w') + sum(a * e), see correction.hpp; the middle
// term is part of the stored bias. Each term is below 2**28, so int32 is exact; the epilogue gets
// each (rows, 16) block of accumulators while it is in L1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "correction.hpp"
#include "gemm.hpp"
#include "memory.hpp"
#include "named.hpp"
#include "pack.hpp"

namespace transfab {

inline constexpr int kZeroPoint = 128;
// Adds the zero point to four int8 in one word.
inline constexpr std::uint32_t kFlipSigns = 0x80808080u;

struct Rows {
  Index first, count;
};

struct Projection {
  Index channels, depth;
  Buffer<std::uint32_t> panels;
  Buffer<std::int32_t> bias;
  Correction correction;

  Projection(const Named& named, const std::string& prefix, Index channels, Index depth)
      : channels(channels),
        depth(depth),
        panels(PanelWords<Quads>(channels, depth)),
        bias(Buffer<std::int32_t>::Zeroed(RoundUp(channels, kPanel))) {
    const auto* given = named.Get<std::int8_t>(prefix + ".weight");
    std::vector<std::int8_t> weight(given, given + channels * depth);
    correction = Correction(channels, depth, weight.data());
    PackPanels<Quads>(channels, depth, weight.data(), depth, 1, panels.data());
    const auto* start = named.Get<std::int32_t>(prefix + ".bias");
    for (Index channel = 0; channel < channels; ++channel) {
      const std::int8_t* row = weight.data() + channel * depth;
      std::int32_t total = 0;
      for (Index k = 0; k < depth; ++k) total += row[k];
      bias.data()[channel] = start[channel] - kZeroPoint * total;
    }
  }
};

// The int8 operand of one or more projections: as tiles, and transposed for the corrections.
struct Operand {
  Buffer<std::uint32_t> tiles;
  Buffer<std::int8_t> columns;

  explicit Operand(Index depth)
      : tiles(TileWords<Quads>(kRowBlock, depth)),
        columns(kSaturates ? RoundUp(depth, Quads::kDepth) * kRowBlock : 0) {}
  void Pack(Index rows, Index depth, const std::int8_t* source) {
    PackTiles<Quads>(rows, depth, source, depth, kFlipSigns, tiles.data());
    if (kSaturates) {
      Correction::Transpose(rows, Words<Quads>(depth), tiles.data(), kFlipSigns, columns.data());
    }
  }
};

// block is (rows, 16) int32; epilogue(first channel, channels of this panel) reads it.
template <typename Epilogue>
void Project(const Projection& projection, Index rows, const Operand& operand, std::int32_t* block,
             Epilogue epilogue) {
  const Index words = Words<Quads>(projection.depth);
  for (Index first = 0; first < projection.channels; first += kPanel) {
    for (Index row = 0; row < rows; ++row) {
      std::copy_n(projection.bias.data() + first, kPanel, block + row * kPanel);
    }
    MultiplyPanel<Quads>(rows, words, operand.tiles.data(),
                         projection.panels.data() + first * words, block, kPanel);
    if (!projection.correction.Empty()) {
      projection.correction.Add(rows, first, operand.columns.data(), block);
    }
    epilogue(first, std::min(kPanel, projection.channels - first));
  }
}

}  // namespace transfab
