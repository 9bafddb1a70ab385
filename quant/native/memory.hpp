// Buffers on cache-line boundaries, uninitialised or zeroed, and copies of ragged rows of a panel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace transfab {

using Index = std::ptrdiff_t;

inline constexpr Index kCacheLine = 64;
// Output channels that one tile computes together; every panel is padded to it.
inline constexpr Index kPanel = 16;

constexpr Index CeilDivide(Index value, Index divisor) { return (value + divisor - 1) / divisor; }
constexpr Index RoundUp(Index value, Index unit) { return CeilDivide(value, unit) * unit; }

template <typename T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Index size) {
    const Index bytes = RoundUp(size * static_cast<Index>(sizeof(T)), kCacheLine) + kCacheLine;
    data_.reset(static_cast<T*>(std::aligned_alloc(kCacheLine, static_cast<std::size_t>(bytes))));
    if (data_ == nullptr) throw std::bad_alloc();
  }
  static Buffer Zeroed(Index size) {
    Buffer buffer(size);
    std::memset(buffer.data(), 0, static_cast<std::size_t>(size) * sizeof(T));
    return buffer;
  }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* pointer) const { std::free(pointer); }
  };
  std::unique_ptr<T[], Free> data_;
};

// The two sizes are apart so that the usual one is two moves instead of a call.
template <typename T>
inline void StoreRow(Index channels, const T* row, T* target) {
  if (channels == kPanel) {
    std::memcpy(target, row, kPanel * sizeof(T));
  } else {
    std::memcpy(target, row, static_cast<std::size_t>(channels) * sizeof(T));
  }
}

// A null target is a tensor that the caller did not ask for.
template <typename T>
inline void StoreBlock(Index rows, Index channels, const T* block, Index stride, T* target) {
  if (target == nullptr) return;
  for (Index row = 0; row < rows; ++row) {
    StoreRow(channels, block + row * kPanel, target + row * stride);
  }
}

template <typename T>
inline T* Offset(T* base, Index offset) {
  return base == nullptr ? nullptr : base + offset;
}

}  // namespace transfab
