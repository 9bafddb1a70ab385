// Working memory of one thread, sized for the longest sequence: a thread allocates nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "pack.hpp"
#include "projection.hpp"

namespace transfab {

struct Shape {
  Index hidden, heads, feed_forward, residual_bits;
  Index head_size() const { return hidden / heads; }
};

struct Scratch {
  Operand operand;                                             // left operand of a projection
  Buffer<std::int32_t> block;                                  // (rows, 16) accumulators
  Buffer<std::int8_t> narrow;                                  // (rows, E) int8 operand
  Buffer<std::int16_t> sums;                                   // (rows, E) residual sums
  Buffer<std::int32_t> normalized;                             // (E,) one row of a LayerNorm
  Buffer<std::uint32_t> query, key, value, exponential_tiles;  // one head
  Buffer<std::int32_t> scores, allowed;                        // (rows, S), (S,)
  Buffer<std::int16_t> exponential;                            // (rows, S)
  Buffer<std::int32_t> totals;                                 // (rows,) sums of exponentials

  Scratch(const Shape& shape, Index sequence)
      : operand(std::max(shape.hidden, shape.feed_forward)),
        block(kRowBlock * kPanel),
        narrow(kRowBlock * shape.hidden),
        sums(kRowBlock * shape.hidden),
        normalized(shape.hidden),
        query(TileWords<Pairs>(kRowBlock, shape.head_size())),
        key(PanelWords<Pairs>(sequence, shape.head_size())),
        value(PanelWords<Pairs>(shape.head_size(), sequence)),
        exponential_tiles(TileWords<Pairs>(kRowBlock, sequence)),
        scores(kRowBlock * RoundUp(sequence, kPanel)),
        allowed(RoundUp(sequence, kPanel)),
        exponential(kRowBlock * RoundUp(sequence, kPanel)),
        totals(kRowBlock) {}
};

// Keeps the memory of earlier calls: fresh pages would cost a tenth of a call.
class ScratchPool {
 public:
  ScratchPool(const Shape& shape, Index sequence) : shape_(shape), sequence_(sequence) {}

  std::vector<Scratch> Take(Index count) {
    std::vector<Scratch> taken;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (; count > 0; --count) {
      if (free_.empty()) free_.emplace_back(shape_, sequence_);
      taken.push_back(std::move(free_.back()));
      free_.pop_back();
    }
    return taken;
  }
  void Give(std::vector<Scratch> taken) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (Scratch& scratch : taken) free_.push_back(std::move(scratch));
  }

 private:
  Shape shape_;
  Index sequence_;
  std::mutex mutex_;
  std::vector<Scratch> free_;
};

}  // namespace transfab
