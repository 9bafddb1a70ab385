// Stage 3: first feed-forward projection and GELU.
//
// int8 rows -> 27-bit sums -> int16 pre-activation -> int16 GELU -> int8, sent in blocks of one
// beat's channels. Four operators in a row: narrow, product by channel, GELU, order by block.
#pragma once

#include "blocks.hpp"
#include "gelu.hpp"
#include "gemm.hpp"
#include "requantize.hpp"

namespace transfab {

template <class Config>
struct IntermediateShape {
  static constexpr int kPe = Config::kIntermediatePe, kSimd = Config::kIntermediateSimd;
  static constexpr int kChannels = Config::kInner;
  static constexpr int kTiles = CeilDivide(kChannels, kPe);
  static constexpr int kDepth = Config::kHidden;
  static constexpr int kDepthTiles = CeilDivide(kDepth, kSimd);
  static constexpr int kBlock = Config::kBeatBytes, kBlocks = CeilDivide(kChannels, kBlock);
  static constexpr int kScalars = 4;
};

template <class Config>
void DistributeIntermediate(Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& narrow,
                            Stream<BeatOf<Config>>& weights, Stream<BeatOf<Config>>& records) {
  using Shape = IntermediateShape<Config>;
  constexpr int kScalarBeats = ScalarBeats<Config>(Shape::kScalars);
SCALARS:
  for (int beat = 0; beat < kScalarBeats; ++beat) {
#pragma HLS PIPELINE II = 1
    const BeatOf<Config> word = parameters.read();
    narrow.write(word);
    records.write(word);
  }
  Forward<Config>(parameters, records, BeatsOf<Config, 16>(Config::kGeluEntries));
  if (Config::kResidualBits == 16) {
    Forward<Config>(parameters, narrow, RecordBeats<Config>(Config::kHidden));
  }
TILES:
  for (int tile = 0; tile < Shape::kTiles; ++tile) {
    Forward<Config>(parameters, records, 2 * RecordBeats<Config>(Shape::kPe));
    Forward<Config>(parameters, weights,
                    Shape::kDepthTiles * TileBeats<Shape::kPe, Shape::kSimd, Config::kBeatBytes>());
  }
}

// Sums of a tile -> int8 GELU of its channels, kPe lanes a row.
template <class Config>
void Activate(int rows, Stream<BeatOf<Config>>& parameters,
              Stream<Lanes<Int<27>, Config::kIntermediatePe>>& sums,
              Stream<Lanes<Int<8>, Config::kIntermediatePe>>& activated) {
  using Shape = IntermediateShape<Config>;
  // Every lane looks up on its own: two share a dual-port copy of the table.
  static Int<16> table[CeilDivide(Shape::kPe, 2)][Config::kGeluEntries];
#pragma HLS ARRAY_PARTITION variable = table dim = 1 complete
  Record projection[Shape::kPe], activation[Shape::kPe];
#pragma HLS ARRAY_PARTITION variable = projection complete
#pragma HLS ARRAY_PARTITION variable = activation complete
  Int<32> scalars[Shape::kScalars];
  ReadValues<Config, 32>(parameters, scalars);
  ReadTable<Config>(parameters, table);
  const UInt<6> shift = UInt<6>(scalars[1]), activation_shift = UInt<6>(scalars[2]);
  const UInt<6> index_shift = UInt<6>(scalars[3] - Config::kGeluEntriesPerUnitBits);
TILES:
  for (int n = 0; n < Shape::kTiles; ++n) {
    ReadRecords<Config>(parameters, projection);
    ReadRecords<Config>(parameters, activation);
  ROWS:
    for (int row = 0; row < rows; ++row) {
#pragma HLS PIPELINE II = 1
      const Lanes<Int<27>, Shape::kPe> sum = sums.read();
      Lanes<Int<8>, Shape::kPe> out;
      for (int pe = 0; pe < Shape::kPe; ++pe) {
#pragma HLS UNROLL
        const Int<27> total = Int<27>(sum.lane[pe] + projection[pe].first);
        const Int<16> value = Requantize<16>(total, projection[pe], shift);
        const Int<16> gelu = Gelu(value, table[pe / 2], index_shift);
        out.lane[pe] = Requantize<8>(Int<27>(gelu), activation[pe], activation_shift);
      }
      activated.write(out);
    }
  }
}

// attention_output packet, intermediate_parameters -> intermediate packet.
template <class Config>
void Intermediate(int rows, Stream<BeatOf<Config>>& attention_output,
                  Stream<BeatOf<Config>>& parameters, Stream<BeatOf<Config>>& blocks) {
#pragma HLS DATAFLOW
  using Shape = IntermediateShape<Config>;
  Stream<BeatOf<Config>> narrow("intermediate narrow"), weights("intermediate weights");
  Stream<BeatOf<Config>> records("intermediate records"), operand("intermediate operand");
  Stream<Lanes<Int<27>, Shape::kPe>> sums("intermediate sums");
  Stream<Lanes<Int<8>, Shape::kPe>> activated("intermediate activated");
  // The next tile's records pass before its weights, which are read while this tile is in use.
  [[maybe_unused]] constexpr int kRecordsDepth = 4 * RecordBeats<Config>(Shape::kPe);
#pragma HLS STREAM variable = records depth = kRecordsDepth
  DistributeIntermediate<Config>(parameters, narrow, weights, records);
  Narrow<Config, Shape>(rows, attention_output, narrow, operand);
  GemmByChannel<Config, Shape>(rows, operand, weights, sums);
  Activate<Config>(rows, records, sums, activated);
  OrderBlocks<Config, Shape>(rows, activated, blocks);
}

}  // namespace transfab
