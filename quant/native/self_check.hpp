// The tiles that this machine chose against plain sums, once after building: gemm.hpp picks the
// VNNI forms by the compiler's target, and no test machine has them all.
#pragma once

#include <cstdint>
#include <vector>

#include "correction.hpp"
#include "gemm.hpp"
#include "memory.hpp"
#include "pack.hpp"

namespace transfab {

class SelfCheck {
 public:
  // Every height of a tile, depths around the block size, operands often at the ends of their
  // range.
  bool Passes() {
    for (const Index rows : {1, 2, 3, 4, 5, 6, 7, 9}) {
      for (const Index depth : {1, 2, 3, 5, 8, 383, 384, 387, 769}) {
        if (!Agrees<Pairs, std::int16_t>(rows, depth, 16383, 127)) return false;
        // Neighbours of 64 are the largest that a byte product takes without a correction.
        if (!Agrees<Quads, std::uint8_t>(rows, depth, 255, kSaturates ? kNeighbours / 2 : 127)) {
          return false;
        }
      }
    }
    return true;
  }

 private:
  template <typename Word, typename Left>
  bool Agrees(Index rows, Index depth, std::int32_t left_limit, std::int32_t right_limit) {
    std::vector<Left> left(static_cast<std::size_t>(rows * depth));
    std::vector<std::int8_t> right(static_cast<std::size_t>(kPanel * depth));
    for (auto& value : left) value = static_cast<Left>(Random(left_limit));
    for (auto& value : right) value = static_cast<std::int8_t>(Random(right_limit));
    Buffer<std::uint32_t> tiles(TileWords<Word>(rows, depth));
    Buffer<std::uint32_t> panel(PanelWords<Word>(kPanel, depth));
    auto sums = Buffer<std::int32_t>::Zeroed(rows * kPanel);
    PackTiles<Word>(rows, depth, left.data(), depth, 0, tiles.data());
    PackPanels<Word>(kPanel, depth, right.data(), depth, 1, panel.data());
    MultiplyPanel<Word>(rows, Words<Word>(depth), tiles.data(), panel.data(), sums.data(), kPanel);
    for (Index at = 0; at < rows * kPanel; ++at) {
      std::int32_t expected = 0;
      for (Index k = 0; k < depth; ++k) {
        expected += left[static_cast<std::size_t>(at / kPanel * depth + k)] *
                    right[static_cast<std::size_t>(at % kPanel * depth + k)];
      }
      if (sums.data()[at] != expected) return false;
    }
    return true;
  }

  // An end of [-limit, limit] half of the time.
  std::int32_t Random(std::int32_t limit) {
    state_ = state_ * 1664525u + 1013904223u;
    const auto draw = static_cast<std::int32_t>(state_ >> 8);
    if (draw % 2 == 0) return draw % 4 == 0 ? limit : -limit;
    return draw / 4 % (2 * limit + 1) - limit;
  }

  std::uint32_t state_ = 1;
};

}  // namespace transfab
