// GELU of int16: max(x, 0) less a table of 256 entries of |x| * Phi(-|x|) over |x| < 4.
//
// The index is |x| >> (fraction_bits - 6), at most 2**15; entry 256, a zero, stands for all beyond.
#pragma once

#include <algorithm>
#include <cstdint>

#include "memory.hpp"
#include "named.hpp"

namespace transfab {

inline constexpr std::int32_t kGeluEntries = 256;
inline constexpr int kGeluEntriesPerUnitBits = 6;

struct Gelu {
  int shift;
  Buffer<std::int16_t> table;

  explicit Gelu(const Named& named)
      : shift(static_cast<int>(named.Integer("intermediate.fraction_bits")) -
              kGeluEntriesPerUnitBits),
        table(Buffer<std::int16_t>::Zeroed(kGeluEntries + 1)) {
    std::copy_n(named.Get<std::int16_t>("intermediate.gelu_table"), kGeluEntries, table.data());
  }

  // (count,) int16 -> (count,) int16, in three loops so that only the look-up is not vectorised.
  void Run(Index count, const std::int16_t* preactivation, std::int16_t* out) const {
    for (Index i = 0; i < count; ++i) {
      const std::int32_t value = preactivation[i];
      const std::int32_t index = (value < 0 ? -value : value) >> shift;
      out[i] = static_cast<std::int16_t>(std::min(index, kGeluEntries));
    }
    for (Index i = 0; i < count; ++i) out[i] = table.data()[out[i]];
    for (Index i = 0; i < count; ++i) {
      const std::int16_t rectified = std::max<std::int16_t>(preactivation[i], 0);
      out[i] = static_cast<std::int16_t>(rectified - out[i]);
    }
  }
};

}  // namespace transfab
