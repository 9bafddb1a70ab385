// Operands in the order in which gemm.hpp reads them: matrices of int8 or int16 to 32-bit words.
//
// A depth that does not fill its last word is padded with zeros, a ragged panel with zero channels;
// the rows that are missing in a ragged tile are left as they are, because no tile reads them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gemm.hpp"
#include "memory.hpp"

namespace transfab {

template <typename Word>
constexpr Index Words(Index depth) {
  return CeilDivide(depth, Word::kDepth);
}
template <typename Word>
constexpr Index TileWords(Index rows, Index depth) {
  return RoundUp(rows, kTileRows) * Words<Word>(depth);
}
template <typename Word>
constexpr Index PanelWords(Index channels, Index depth) {
  return RoundUp(channels, kPanel) * Words<Word>(depth);
}

// `depth` elements, `stride` apart, as one word; those beyond `depth` are zero.
template <typename Word, typename T>
std::uint32_t PackWord(const T* source, Index stride, Index depth) {
  constexpr int kBits = 32 / Word::kDepth;
  constexpr std::uint32_t kMask = (1u << kBits) - 1;
  std::uint32_t word = 0;
  for (Index i = 0; i < std::min(Word::kDepth, depth); ++i) {
    const auto bits = static_cast<std::uint32_t>(static_cast<std::int32_t>(source[i * stride]));
    word |= (bits & kMask) << (kBits * i);
  }
  return word;
}

// (rows, depth) with `stride` elements a row -> [tile][word][row of 4], each word xor `flip`.
template <typename Word, typename T>
void PackTiles(Index rows, Index depth, const T* source, Index stride, std::uint32_t flip,
               std::uint32_t* words) {
  const Index count = Words<Word>(depth), whole = depth / Word::kDepth;
  for (Index row = 0; row < rows; ++row) {
    const T* from = source + row * stride;
    std::uint32_t* to = words + row / kTileRows * kTileRows * count + row % kTileRows;
    for (Index word = 0; word < whole; ++word) {
      to[word * kTileRows] = flip ^ PackWord<Word>(from + word * Word::kDepth, 1, Word::kDepth);
    }
    if (whole != count) {
      const Index left = depth - whole * Word::kDepth;
      to[whole * kTileRows] = flip ^ PackWord<Word>(from + whole * Word::kDepth, 1, left);
    }
  }
}

// (channels, depth), element (c, k) at source[c * channel_stride + k * depth_stride]
// -> [panel][word][channel of 16].
template <typename Word>
void PackPanels(Index channels, Index depth, const std::int8_t* source, Index channel_stride,
                Index depth_stride, std::uint32_t* words) {
  for (Index first = 0; first < channels; first += kPanel) {
    const Index count = std::min(kPanel, channels - first);
    const std::int8_t* from = source + first * channel_stride;
    for (Index done = 0; done < depth; done += Word::kDepth, words += kPanel) {
      for (Index i = 0; i < count; ++i) {
        words[i] = PackWord<Word>(from + i * channel_stride + done * depth_stride, depth_stride,
                                  depth - done);
      }
      std::fill(words + count, words + kPanel, 0u);
    }
  }
}

}  // namespace transfab
