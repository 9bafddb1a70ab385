// Integers of stated widths and the few operations that the arithmetic is made of.
//
// Native build: the smallest built-in type that holds the width, for speed. Width-true build and
// synthesis: ap_int of exactly that width, so that a width which is too small shows as wrong bits.
#pragma once

#include <cstdint>
#include <type_traits>

#if defined(TRANSFAB_WIDTH_TRUE) || defined(__SYNTHESIS__)
#define TRANSFAB_AP_INT
#include <ap_int.h>
#endif

namespace transfab {

// Bits of the largest index of `count` values; 0 for one value.
constexpr int IndexBits(int count) { return count <= 1 ? 0 : 1 + IndexBits((count + 1) / 2); }
constexpr int CeilDivide(int value, int step) { return (value + step - 1) / step; }

#ifdef TRANSFAB_AP_INT

template <int kBits>
using Int = ap_int<kBits>;
template <int kBits>
using UInt = ap_uint<kBits>;
template <int kBits>
using Held = ap_int<kBits>;

#else

template <int kBits, typename Narrow, typename Half, typename Word, typename Wide>
using Smallest = std::conditional_t<
    (kBits <= 8), Narrow,
    std::conditional_t<(kBits <= 16), Half, std::conditional_t<(kBits <= 32), Word, Wide> > >;
template <int kBits>
using Int = Smallest<kBits, std::int8_t, std::int16_t, std::int32_t, std::int64_t>;
template <int kBits>
using UInt = Smallest<kBits, std::uint8_t, std::uint16_t, std::uint32_t, std::uint64_t>;
// Operands of long sums of products: g++ has one instruction for pairs of int16, none for int8.
template <int kBits>
using Held = Int<(kBits < 16 ? 16 : kBits)>;

#endif

// left * right, which must fit kBits.
template <int kBits, typename Left, typename Right>
Int<kBits> Multiply(Left left, Right right) {
#pragma HLS INLINE
#ifdef TRANSFAB_AP_INT
  return Int<kBits>(left * right);
#else
  return Int<kBits>(Int<kBits>(left) * Int<kBits>(right));
#endif
}

// value * 2**shift, which must fit kBits; C++17 does not define << of a negative value.
template <int kBits>
Int<kBits> ShiftLeft(Int<kBits> value, UInt<6> shift) {
#pragma HLS INLINE
  return Int<kBits>(UInt<kBits>(value) << shift);
}

// floor(value / 2**shift + 1/2), of kBits like the sum before the shift; shift in [0, kBits - 1].
template <int kBits>
Int<kBits> RoundShift(Int<kBits> value, UInt<6> shift) {
#pragma HLS INLINE
  const Int<kBits> half = Int<kBits>(Int<kBits>(Int<kBits>(1) << shift) >> 1);
  return Int<kBits>(Int<kBits>(value + (shift == 0 ? Int<kBits>(0) : half)) >> shift);
}

// Saturates to [-(2**(kBits-1) - 1), 2**(kBits-1) - 1] before the value is narrowed.
template <int kBits, typename Value>
Int<kBits> Clamp(Value value) {
#pragma HLS INLINE
  constexpr std::int64_t kLimit = (std::int64_t{1} << (kBits - 1)) - 1;
  if (value > Value(kLimit)) return Int<kBits>(kLimit);
  if (value < Value(-kLimit)) return Int<kBits>(-kLimit);
  return Int<kBits>(value);
}

// Bits of an unsigned value below 2**kBits; 0 has none.
template <int kBits>
UInt<6> BitLength(UInt<kBits> value) {
#pragma HLS INLINE
  UInt<6> bits = 0;
BIT_LENGTH:
  for (int bit = 0; bit < kBits; ++bit) {
#pragma HLS UNROLL
    if (UInt<1>((value >> bit) & 1) != 0) bits = UInt<6>(bit + 1);
  }
  return bits;
}

template <typename Element, int kCount>
struct Lanes {
  Element lane[kCount];
};

}  // namespace transfab
