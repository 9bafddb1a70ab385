// By what int8 weights exceed a byte product of AVX2, and its share of the sums.
//
// Activations enter as a + 128 in [0, 255]. maddubs adds two neighbouring products in int16, which
// saturates unless neighbours of one sign satisfy |w0| + |w1| <= 128: 255 * 128 <= 32767. Weights
// beyond that (about 2 % of the pairs of a trained or Gaussian matrix) are split, w = w' + e, the
// products with w' by maddubs, those with e here. Any weights are exact, many such only less fast.
//
// |e| <= 126 and |a| <= 128: two products of a and e fit int16, their sums int32.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gemm.hpp"
#include "memory.hpp"

namespace transfab {

// Rows that a thread works on together: 64 rows of 3072 bytes and a panel fit a 512 KiB L2.
inline constexpr Index kRowBlock = 64;
inline constexpr int kNeighbours = 128;

#if (defined(__AVX512VNNI__) && defined(__AVX512VL__)) || defined(__AVXVNNI__)
inline constexpr bool kSaturates = false;
#else
inline constexpr bool kSaturates = true;
#endif

class Correction {
 public:
  Correction() = default;
  // Takes from `weight` (channels, depth) what it will add.
  Correction(Index channels, Index depth, std::int8_t* weight) : first_(1, 0) {
    for (Index channel = 0; channel < channels; ++channel) {
      std::int8_t* row = weight + channel * depth;
      for (Index k = 0; kSaturates && k + 1 < depth; k += 2) {
        const int sum = row[k] + row[k + 1];
        const bool agree = (row[k] < 0) == (row[k + 1] < 0);
        const int excess = sum > kNeighbours ? sum - kNeighbours : std::min(sum + kNeighbours, 0);
        if (!agree || excess == 0) continue;
        row[k] = static_cast<std::int8_t>(row[k] - excess);
        terms_.push_back({static_cast<std::int32_t>(k), static_cast<std::int16_t>(excess)});
      }
      // Terms are added two at a time.
      if (terms_.size() % 2 != 0) terms_.push_back({0, 0});
      first_.push_back(terms_.size());
    }
    first_.resize(static_cast<std::size_t>(RoundUp(channels, kPanel)) + 1, terms_.size());
  }
  bool Empty() const { return terms_.empty(); }

  // Tiles of `rows` rows -> (depth, 64) int8, the order in which Add reads a column; `flip` undoes
  // the zero point. Bytes move four rows by four depths at a time.
  static void Transpose(Index rows, Index words, const std::uint32_t* tiles, std::uint32_t flip,
                        std::int8_t* columns) {
    constexpr Index kStrip = 64;                 // whose columns, 16 KiB, stay in L1
    constexpr std::uint32_t kEven = 0x00ff00ff;  // depths 0 and 2
    for (Index first = 0; first < words; first += kStrip) {
      for (Index row = 0; row < rows; row += kTileRows) {
        for (Index word = first; word < std::min(first + kStrip, words); ++word) {
          const std::uint32_t* tile = tiles + row * words + word * kTileRows;
          const std::uint32_t a = tile[0] ^ flip, b = tile[1] ^ flip;
          const std::uint32_t c = tile[2] ^ flip, d = tile[3] ^ flip;
          const std::uint32_t even_ab = (a & kEven) | (b & kEven) << 8;
          const std::uint32_t even_cd = (c & kEven) | (d & kEven) << 8;
          const std::uint32_t odd_ab = (a >> 8 & kEven) | (b & ~kEven);
          const std::uint32_t odd_cd = (c >> 8 & kEven) | (d & ~kEven);
          const std::uint32_t depths[4] = {
              (even_ab & 0xffff) | even_cd << 16, (odd_ab & 0xffff) | odd_cd << 16,
              even_ab >> 16 | (even_cd & 0xffff0000), odd_ab >> 16 | (odd_cd & 0xffff0000)};
          for (Index i = 0; i < 4; ++i) {
            std::memcpy(columns + (word * 4 + i) * kRowBlock + row, &depths[i], sizeof(depths[i]));
          }
        }
      }
    }
  }

  // block (rows, 16) += corrections of the 16 channels from `channel` on; `columns` as above, whose
  // missing rows may hold anything.
  void Add(Index rows, Index channel, const std::int8_t* columns, std::int32_t* block) const {
    for (Index i = 0; i < kPanel; ++i) {
      const std::size_t from = first_[static_cast<std::size_t>(channel + i)];
      const std::size_t to = first_[static_cast<std::size_t>(channel + i) + 1];
      if (from == to) continue;
      std::int32_t sums[kRowBlock] = {};
      for (std::size_t at = from; at < to; at += 2) {
        const Term one = terms_[at], two = terms_[at + 1];
        const std::int8_t* left = columns + one.depth * kRowBlock;
        const std::int8_t* right = columns + two.depth * kRowBlock;
        for (Index row = 0; row < kRowBlock; ++row) {
          sums[row] += static_cast<std::int16_t>(left[row] * one.excess + right[row] * two.excess);
        }
      }
      for (Index row = 0; row < rows; ++row) block[row * kPanel + i] += sums[row];
    }
  }

 private:
  struct Term {
    std::int32_t depth;
    std::int16_t excess;
  };
  std::vector<Term> terms_;
  std::vector<std::size_t> first_;  // of each channel, one more at the end
};

}  // namespace transfab
