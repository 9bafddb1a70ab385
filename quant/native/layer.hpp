// The four stages of a layer: packed once, run from any stage to any later one.
//
// Three parallel passes: stage 1 by blocks of rows, the heads of stage 2, and all that follows,
// which is local to a row, again by blocks of rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "attention.hpp"
#include "intermediate.hpp"
#include "named.hpp"
#include "parallel.hpp"
#include "qkv.hpp"
#include "residual.hpp"
#include "scratch.hpp"

namespace transfab {

enum Stage : Index { kQkv, kAttention, kIntermediate, kOutput };

struct Call {
  Stage first, last;
  Index batch, sequence, threads;
  bool Runs(Stage stage) const { return first <= stage && stage <= last; }
};

class Layer {
 public:
  explicit Layer(const Named& named)
      : shape_{named.Integer("hidden"), named.Integer("heads"), named.Integer("inner"),
               named.Integer("residual_bits")},
        pool_(shape_, named.Integer("sequence")),
        qkv_(named, shape_),
        attention_(named, shape_),
        attention_end_(named, "attention", shape_, shape_.hidden),
        intermediate_(named, shape_),
        output_(named, "output", shape_, shape_.feed_forward) {}

  void Run(const Call& call, const Named& named) const {
    // More threads than tasks would only hold memory.
    const Index tasks =
        std::max(CeilDivide(call.batch * call.sequence, kTileRows), call.batch * shape_.heads);
    std::vector<Scratch> scratch = pool_.Take(std::min(call.threads, tasks));
    RunOn(call, named, scratch);
    pool_.Give(std::move(scratch));
  }

 private:
  void RunOn(const Call& call, const Named& named, std::vector<Scratch>& scratch) const {
    const Index rows = call.batch * call.sequence;
    const Blocks blocks(rows, static_cast<Index>(scratch.size()));

    if (call.Runs(kQkv)) {
      const QkvTensors tensors(named);
      ParallelFor(blocks.count, scratch,
                  [&](Index block, Scratch& own) { qkv_.Run(tensors, blocks[block], own); });
    }
    // The context is the one operand that crosses two passes without being a stage's output.
    Buffer<std::int8_t> context_buffer;
    AttentionTensors attention(named);
    if (call.Runs(kAttention)) {
      if (attention.context == nullptr) {
        context_buffer = Buffer<std::int8_t>(rows * shape_.hidden);
        attention.context = context_buffer.data();
      }
      ParallelFor(call.batch * shape_.heads, scratch, [&](Index task, Scratch& own) {
        attention_.Run(attention, task, call.sequence, own);
      });
    }
    if (call.last == kQkv) return;
    const ResidualTensors attention_end(named, "attention", "hidden", "attention_output");
    const IntermediateTensors intermediate(named);
    const ResidualTensors output(named, "output", "attention_output", "output");
    ParallelFor(blocks.count, scratch, [&](Index block, Scratch& own) {
      const Rows own_rows = blocks[block];
      if (call.Runs(kAttention)) {
        const std::int8_t* operand = attention.context + own_rows.first * shape_.hidden;
        attention_end_.Run(attention_end, own_rows, operand, own);
      }
      if (call.Runs(kIntermediate)) intermediate_.Run(intermediate, own_rows, own);
      if (call.Runs(kOutput)) {
        const std::int8_t* operand = intermediate.output + own_rows.first * shape_.feed_forward;
        output_.Run(output, own_rows, operand, own);
      }
    });
  }

  // Rows in blocks of one size, at most kRowBlock, as many for one thread as for another.
  struct Blocks {
    Index rows, size, count;
    Blocks(Index rows, Index threads) : rows(rows) {
      const Index wanted = RoundUp(CeilDivide(rows, kRowBlock), threads);
      size = std::min(RoundUp(CeilDivide(rows, wanted), kTileRows), kRowBlock);
      count = CeilDivide(rows, size);
    }
    Rows operator[](Index block) const {
      return {block * size, std::min(size, rows - block * size)};
    }
  };

  Shape shape_;
  mutable ScratchPool pool_;
  Qkv qkv_;
  Attention attention_;
  Residual attention_end_;
  Intermediate intermediate_;
  Residual output_;
};

}  // namespace transfab
