// Shapes of stage 2 and the jobs of its one matrix engine.
package attention_pkg;

  localparam int unsigned Pe = transfab_pkg::AttentionPe;
  localparam int unsigned Simd = transfab_pkg::AttentionSimd;
  localparam int unsigned HeadSize = transfab_pkg::HeadSize;
  localparam int unsigned Rows = transfab_pkg::Sequence;
  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;

  localparam int unsigned RowBits = $clog2(Rows + 1);
  localparam int unsigned RowIndexBits = operator_pkg::index_bits(Rows);
  localparam int unsigned BeatBits = 8 * BeatBytes;
  localparam int unsigned Slices = BeatBytes / Simd;

  // A head's row in beats, its depth and its channels in tiles; tiles of the projection.
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(HeadSize, BeatBytes);
  localparam int unsigned DepthTiles = operator_pkg::ceil_divide(HeadSize, Simd);
  localparam int unsigned SizeTiles = operator_pkg::ceil_divide(HeadSize, Pe);
  localparam int unsigned Tiles = operator_pkg::ceil_divide(transfab_pkg::Hidden, Pe);
  // Of the longest sequence: keys as channels of a tile, keys as its depth.
  localparam int unsigned KeyTiles = operator_pkg::ceil_divide(Rows, Pe);
  localparam int unsigned KeyWords = operator_pkg::ceil_divide(Rows, Simd);

  localparam int unsigned DotBits = 16 + $clog2(Simd);
  localparam int unsigned ScoreBits = 22;
  localparam int unsigned ContextBits = 31;
  localparam int unsigned SumBits = transfab_pkg::AccumulatorBits;
  localparam int unsigned ExponentialBits = transfab_pkg::ExponentialTableBits;
  // An exponential passes the int8 engine as two planes, the upper one first.
  localparam int unsigned PlaneBits = 7;
  localparam int unsigned SoftmaxLanes = operator_pkg::smaller(8, Simd);

  // Counters of the two loops around the rows of a job.
  localparam int unsigned LoopBits = operator_pkg::index_bits(
      operator_pkg::larger(
          operator_pkg::larger(
              Tiles, DepthTiles
          ),
          operator_pkg::larger(
              operator_pkg::larger(KeyTiles, KeyWords), SizeTiles))
  );

  // Scores: for each tile of keys, for each depth tile. Context: for each tile of the head's
  // channels, for each word of keys, for both planes. Projection: for each depth tile of the head,
  // for each tile of channels.
  typedef enum logic [1:0] {
    JobScores,
    JobContext,
    JobProjection
  } kind_e;

  typedef struct packed {
    kind_e kind;
    logic [RowBits-1:0] rows;
    logic first_head;
    logic last_head;
  } job_t;

  // A row on its way through the array.
  typedef struct packed {
    logic valid;
    kind_e kind;
    logic swap;
    logic first;
    logic last;  // the row's sum is whole
    logic ends;  // the last row of a job, of a projection only in the last head
    logic upper;  // plane
    logic [LoopBits-1:0] outer;
    logic [LoopBits-1:0] inner;
    logic [RowIndexBits-1:0] row;
  } feed_t;

  // A row's scale out of softmax.
  typedef struct packed {
    logic [16:0] reciprocal;
    logic [2:0]  pre_shift;
    logic [4:0]  post_shift;
  } scale_t;

  // Whether the counters of a job's loops stand at their ends; keys is the first key of the tile
  // or word that counts in keys.
  function automatic logic outer_last(kind_e kind, logic [LoopBits-1:0] outer, logic [31:0] keys,
                                      logic [RowBits-1:0] rows);
    unique case (kind)
      JobScores: return keys + Pe >= 32'(rows);
      JobContext: return outer == LoopBits'(SizeTiles - 1);
      default: return outer == LoopBits'(DepthTiles - 1);
    endcase
  endfunction

  function automatic logic inner_last(kind_e kind, logic [LoopBits-1:0] inner, logic [31:0] keys,
                                      logic [RowBits-1:0] rows);
    unique case (kind)
      JobScores: return inner == LoopBits'(DepthTiles - 1);
      JobContext: return keys + Simd >= 32'(rows);
      default: return inner == LoopBits'(Tiles - 1);
    endcase
  endfunction

endpackage : attention_pkg
