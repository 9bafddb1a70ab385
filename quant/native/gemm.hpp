// Integer products accumulated in int32: the inner loop of projections, scores and context.
//
// A word of 32 bits holds neighbours along the depth: two int16 (Pairs) or four bytes (Quads, left
// unsigned, right signed). Left operands come as tiles of 4 rows ([tile][word][row]), right ones as
// panels of 16 channels ([word][channel]), so that one broadcast word meets 8 channels in one
// instruction and 4 x 16 sums stay in 8 registers (g++ spills some of 12).
//
// Exact: a pair of int16 products is at most 2 * 2**14 * 2**7, a pair of byte products fits int16
// because correction.hpp splits the weights, and every sum of the layer fits 31 bits (context
// 2**30, second feed-forward 2**28 with its zero point), so no addition wraps in any order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "memory.hpp"

#if !defined(TRANSFAB_PORTABLE) && defined(__AVX2__)
#define TRANSFAB_AVX2
#include <immintrin.h>
#endif

namespace transfab {

inline constexpr Index kTileRows = 4;
// Words of one pass: a panel's share (12 KiB) and a tile's (3 KiB) stay in a 32 KiB L1.
inline constexpr Index kBlockWords = 192;

// Int16 times int16.
struct Pairs {
  static constexpr Index kDepth = 2;
  static std::int32_t Dot(std::uint32_t left, std::uint32_t right) {
    const auto low = static_cast<std::int16_t>(left) * static_cast<std::int16_t>(right);
    return low + static_cast<std::int16_t>(left >> 16) * static_cast<std::int16_t>(right >> 16);
  }
#ifdef TRANSFAB_AVX2
  static __m256i AddDot(__m256i sum, __m256i left, __m256i right) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpwssd_epi32(sum, left, right);
#elif defined(__AVXVNNI__)
    return _mm256_dpwssd_avx_epi32(sum, left, right);
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(left, right));
#endif
  }
#endif
};

// Uint8 times int8. Without VNNI the sum of two neighbouring products must fit int16.
struct Quads {
  static constexpr Index kDepth = 4;
  static std::int32_t Dot(std::uint32_t left, std::uint32_t right) {
    std::int32_t sum = 0;
    for (int bit = 0; bit < 32; bit += 8) {
      sum += static_cast<std::uint8_t>(left >> bit) * static_cast<std::int8_t>(right >> bit);
    }
    return sum;
  }
#ifdef TRANSFAB_AVX2
  static __m256i AddDot(__m256i sum, __m256i left, __m256i right) {
#if defined(__AVX512VNNI__) && defined(__AVX512VL__)
    return _mm256_dpbusd_epi32(sum, left, right);
#elif defined(__AVXVNNI__)
    return _mm256_dpbusd_avx_epi32(sum, left, right);
#else
    const __m256i pairs = _mm256_maddubs_epi16(left, right);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
  }
#endif
};

#ifdef TRANSFAB_AVX2

template <typename Word, int kRows>
void MultiplyTile(Index words, const std::uint32_t* left, const std::uint32_t* right,
                  std::int32_t* sums, Index stride) {
  __m256i low[kRows], high[kRows];
  for (int row = 0; row < kRows; ++row) {
    const auto* from = reinterpret_cast<const __m256i*>(sums + row * stride);
    low[row] = _mm256_loadu_si256(from);
    high[row] = _mm256_loadu_si256(from + 1);
  }
#pragma GCC unroll 2
  for (Index word = 0; word < words; ++word) {
    const auto* channels = reinterpret_cast<const __m256i*>(right + word * kPanel);
    const __m256i first = _mm256_load_si256(channels);
    const __m256i second = _mm256_load_si256(channels + 1);
#pragma GCC unroll 4
    for (int row = 0; row < kRows; ++row) {
      const auto spread = _mm256_set1_epi32(static_cast<int>(left[word * kTileRows + row]));
      low[row] = Word::AddDot(low[row], spread, first);
      high[row] = Word::AddDot(high[row], spread, second);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    auto* to = reinterpret_cast<__m256i*>(sums + row * stride);
    _mm256_storeu_si256(to, low[row]);
    _mm256_storeu_si256(to + 1, high[row]);
  }
}

#else

template <typename Word, int kRows>
void MultiplyTile(Index words, const std::uint32_t* left, const std::uint32_t* right,
                  std::int32_t* sums, Index stride) {
  for (Index word = 0; word < words; ++word) {
    for (int row = 0; row < kRows; ++row) {
      for (Index channel = 0; channel < kPanel; ++channel) {
        sums[row * stride + channel] +=
            Word::Dot(left[word * kTileRows + row], right[word * kPanel + channel]);
      }
    }
  }
}

#endif

// sums[row][0..15] += left[row] * panel for `rows` rows, whole tiles first, then the ragged one.
template <typename Word>
void MultiplyPanel(Index rows, Index words, const std::uint32_t* left, const std::uint32_t* panel,
                   std::int32_t* sums, Index stride) {
  for (Index first = 0; first < words; first += kBlockWords) {
    const Index count = std::min(kBlockWords, words - first);
    const std::uint32_t* right = panel + first * kPanel;
    for (Index row = 0; row < rows; row += kTileRows) {
      const std::uint32_t* tile = left + row * words + first * kTileRows;
      std::int32_t* to = sums + row * stride;
      switch (std::min(kTileRows, rows - row)) {
        case 1:
          MultiplyTile<Word, 1>(count, tile, right, to, stride);
          break;
        case 2:
          MultiplyTile<Word, 2>(count, tile, right, to, stride);
          break;
        case 3:
          MultiplyTile<Word, 3>(count, tile, right, to, stride);
          break;
        default:
          MultiplyTile<Word, 4>(count, tile, right, to, stride);
          break;
      }
    }
  }
}

}  // namespace transfab
