// Stage 2 up to the context, one head of one sequence at a time: scores, softmax, context.
//
// int8 query, key, value -> 22-bit scores -> 14-bit exponentials -> 31-bit context sums -> 24-bit
// means -> int8. All sums are int32 products of gemm.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "gemm.hpp"
#include "named.hpp"
#include "pack.hpp"
#include "requantize.hpp"
#include "scratch.hpp"
#include "softmax.hpp"

namespace transfab {

struct AttentionTensors {
  const std::int8_t *query, *key, *value;
  const std::uint8_t* mask;
  std::int32_t *scores, *maximum;
  std::int16_t *index, *exponential;
  std::int32_t *total, *accumulator, *reciprocal, *mean;
  std::int8_t* context;

  explicit AttentionTensors(const Named& named)
      : query(named.Find<std::int8_t>("query")),
        key(named.Find<std::int8_t>("key")),
        value(named.Find<std::int8_t>("value")),
        mask(named.Find<std::uint8_t>("mask")),
        scores(named.Find<std::int32_t>("scores")),
        maximum(named.Find<std::int32_t>("scores_maximum")),
        index(named.Find<std::int16_t>("exponential_index")),
        exponential(named.Find<std::int16_t>("exponential")),
        total(named.Find<std::int32_t>("exponential_sum")),
        accumulator(named.Find<std::int32_t>("context_accumulator")),
        reciprocal(named.Find<std::int32_t>("context_reciprocal")),
        mean(named.Find<std::int32_t>("context_mean")),
        context(named.Find<std::int8_t>("context")) {}
};

struct Attention {
  Index hidden, heads, head_size;
  Buffer<double> multiplier;
  Buffer<std::int16_t> table;
  Requantize requantize;

  Attention(const Named& named, const Shape& shape)
      : hidden(shape.hidden),
        heads(shape.heads),
        head_size(shape.head_size()),
        multiplier(heads),
        table(kLastIndex + 1),
        requantize(named, "attention.context", hidden, 8) {
    const auto* factor = named.Get<std::int32_t>("attention.scores_multiplier");
    const auto shift = static_cast<int>(named.Integer("attention.scores_shift"));
    for (Index head = 0; head < heads; ++head) {
      multiplier.data()[head] = std::ldexp(factor[head], -shift);
    }
    std::copy_n(named.Get<std::int16_t>("attention.exponential_table"), kLastIndex + 1,
                table.data());
  }

  // `task` counts heads of sequences: batch * heads + head.
  void Run(const AttentionTensors& tensors, Index task, Index sequence, Scratch& scratch) const {
    const Index batch = task / heads, head = task % heads;
    const Index corner = batch * sequence * hidden + head * head_size;
    for (Index key = 0; key < sequence; ++key) {
      scratch.allowed.data()[key] = -std::int32_t{tensors.mask[batch * sequence + key]};
    }
    PackPanels<Pairs>(sequence, head_size, tensors.key + corner, hidden, 1, scratch.key.data());
    PackPanels<Pairs>(head_size, sequence, tensors.value + corner, 1, hidden, scratch.value.data());
    for (Index first = 0; first < sequence; first += kRowBlock) {
      const Rows rows{first, std::min(kRowBlock, sequence - first)};
      Scores(tensors, rows, corner, sequence, scratch);
      Softmax(tensors, rows, task, sequence, scratch);
      Context(tensors, rows, task, corner, sequence, scratch);
    }
  }

 private:
  void Scores(const AttentionTensors& tensors, Rows rows, Index corner, Index sequence,
              Scratch& scratch) const {
    const Index stride = RoundUp(sequence, kPanel);
    const Index pairs = Words<Pairs>(head_size);
    PackTiles<Pairs>(rows.count, head_size, tensors.query + corner + rows.first * hidden, hidden, 0,
                     scratch.query.data());
    std::int32_t* scores = scratch.scores.data();
    std::fill_n(scores, rows.count * stride, 0);
    for (Index key = 0; key < sequence; key += kPanel) {
      MultiplyPanel<Pairs>(rows.count, pairs, scratch.query.data(),
                           scratch.key.data() + key * pairs, scores + key, stride);
    }
  }

  void Softmax(const AttentionTensors& tensors, Rows rows, Index task, Index sequence,
               Scratch& scratch) const {
    const Index stride = RoundUp(sequence, kPanel);
    for (Index row = 0; row < rows.count; ++row) {
      const Index at = task * sequence + rows.first + row;
      const std::int32_t* scores = scratch.scores.data() + row * stride;
      std::int16_t* exponential = scratch.exponential.data() + row * stride;
      const SoftmaxRow done =
          Exponentials(sequence, scores, scratch.allowed.data(), multiplier.data()[task % heads],
                       table.data(), Offset(tensors.index, at * sequence), exponential);
      scratch.totals.data()[row] = done.total;
      if (tensors.scores != nullptr) {
        std::copy_n(scores, sequence, tensors.scores + at * sequence);
      }
      if (tensors.maximum != nullptr) tensors.maximum[at] = done.maximum;
      if (tensors.exponential != nullptr) {
        std::copy_n(exponential, sequence, tensors.exponential + at * sequence);
      }
      if (tensors.total != nullptr) tensors.total[at] = done.total;
    }
  }

  void Context(const AttentionTensors& tensors, Rows rows, Index task, Index corner, Index sequence,
               Scratch& scratch) const {
    const Index pairs = Words<Pairs>(sequence);
    PackTiles<Pairs>(rows.count, sequence, scratch.exponential.data(), RoundUp(sequence, kPanel), 0,
                     scratch.exponential_tiles.data());
    for (Index first = 0; first < head_size; first += kPanel) {
      const Index channels = std::min(kPanel, head_size - first);
      const Index at = corner + rows.first * hidden + first;
      const Index channel = task % heads * head_size + first;
      std::int32_t* block = scratch.block.data();
      std::fill_n(block, rows.count * kPanel, 0);
      MultiplyPanel<Pairs>(rows.count, pairs, scratch.exponential_tiles.data(),
                           scratch.value.data() + first * pairs, block, kPanel);
      StoreBlock(rows.count, channels, block, hidden, Offset(tensors.accumulator, at));
      for (Index row = 0; row < rows.count; ++row) {
        const RowReciprocal inverse(scratch.totals.data()[row]);
        std::int32_t mean[kPanel];
        std::int8_t out[kPanel];
        for (Index i = 0; i < kPanel; ++i) mean[i] = inverse.Normalize(block[row * kPanel + i]);
        RequantizeRow(kPanel, mean, requantize, channel, out);
        StoreRow(channels, out, tensors.context + at + row * hidden);
        if (tensors.mean != nullptr) StoreRow(channels, mean, tensors.mean + at + row * hidden);
        if (tensors.reciprocal != nullptr) {
          tensors.reciprocal[task * sequence + rows.first + row] = inverse.reciprocal;
        }
      }
    }
  }
};

}  // namespace transfab
