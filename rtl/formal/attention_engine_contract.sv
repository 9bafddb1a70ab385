/// attention_engine: of each length taken Tiles words of sums a row, when context and exponentials have
/// the length, the last one when the query, key and value beats of all heads are in; stable.
///
/// Of each part no more beats are taken than of the lengths held and those of two heads.
module attention_engine_contract
  import attention_pkg::*;
#(
    parameter bit Stands = 1'b0
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [        2:0] rows_valid_i,
    input logic [        2:0] rows_ready_o,
    input logic [RowBits-1:0] rows_data_i [3],

    input logic                query_valid_i,
    input logic                query_ready_o,
    input logic [BeatBits-1:0] query_data_i,

    input logic                key_valid_i,
    input logic                key_ready_o,
    input logic [BeatBits-1:0] key_data_i,

    input logic                value_valid_i,
    input logic                value_ready_o,
    input logic [BeatBits-1:0] value_data_i,

    input logic                records_valid_i,
    input logic                records_ready_o,
    input logic [BeatBits-1:0] records_data_i,

    input logic                weights_valid_i,
    input logic                weights_ready_o,
    input logic [BeatBits-1:0] weights_data_i,

    input logic                        scores_valid_o,
    input logic                        scores_ready_i,
    input logic signed [ScoreBits-1:0] scores_data_o [SoftmaxLanes],

    input logic                       exponentials_valid_i,
    input logic                       exponentials_ready_o,
    input logic [ExponentialBits-1:0] exponentials_data_i [SoftmaxLanes],

    input logic   scale_valid_i,
    input logic   scale_ready_o,
    input scale_t scale_data_i,

    input logic                      sums_valid_o,
    input logic                      sums_ready_i,
    input logic signed [SumBits-1:0] sums_data_o [Pe]
);

  localparam int unsigned Heads = transfab_pkg::Heads;

  logic started, leave, ends, whole;
  logic scores_stays, sums_stays, exponentials_stays, scale_stays;
  logic [4:0] in_valid, in_ready, in_stays;
  logic [4:0][BeatBits-1:0] in_data;
  logic [2:0] in_range;
  logic [SoftmaxLanes*ScoreBits-1:0] scores;
  logic [SoftmaxLanes*ExponentialBits-1:0] exponentials;
  logic [Pe*SumBits-1:0] sums;
  logic [3:0] held;
  logic [5:0][RowBits-1:0] rows;
  logic [7:0] index, needed;
  // Lengths that context and exponentials have taken, less those whose sums are whole.
  logic [1:0][7:0] others_q;
  logic [2:0][7:0] part;  // {value, key, query}
  logic [2:0] part_bounded, part_whole;

  assign leave = sums_valid_o && sums_ready_i;
  assign ends = index == 8'(Tiles) * 8'(rows[0]) - 8'd1;
  assign needed = 8'(Heads * RowBeats) * 8'(rows[0]);
  assign in_valid = {weights_valid_i, records_valid_i, value_valid_i, key_valid_i, query_valid_i};
  assign in_ready = {weights_ready_o, records_ready_o, value_ready_o, key_ready_o, query_ready_o};
  assign in_data = {weights_data_i, records_data_i, value_data_i, key_data_i, query_data_i};
  assign whole = others_q[0] != '0 && others_q[1] != '0;

  always_comb begin
    for (int unsigned i = 0; i < 3; i++) begin
      in_range[i] = rows_data_i[i] != '0 && 32'(rows_data_i[i]) <= transfab_pkg::Sequence;
      part_bounded[i] = part[i] <= 8'(RowBeats * Rows) * (8'(Heads) * 8'(held) + 8'd2);
      part_whole[i] = part[i] >= needed;
    end
    for (int unsigned i = 0; i < SoftmaxLanes; i++) begin
      scores[ScoreBits*i+:ScoreBits] = scores_data_o[i];
      exponentials[ExponentialBits*i+:ExponentialBits] = exponentials_data_i[i];
    end
    for (int unsigned i = 0; i < Pe; i++) sums[SumBits*i+:SumBits] = sums_data_o[i];
  end

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  for (genvar i = 0; i < 5; i++) begin : gen_input
    stays #(
        .Width(BeatBits)
    ) u_stays (
        .clk_i,
        .started_i(started),
        .valid_i(in_valid[i]),
        .ready_i(in_ready[i]),
        .data_i(in_data[i]),
        .stays_o(in_stays[i])
    );
  end

  stays #(
      .Width(SoftmaxLanes * ExponentialBits)
  ) u_exponentials (
      .clk_i,
      .started_i(started),
      .valid_i(exponentials_valid_i),
      .ready_i(exponentials_ready_o),
      .data_i(exponentials),
      .stays_o(exponentials_stays)
  );

  stays #(
      .Width($bits(scale_t))
  ) u_scale (
      .clk_i,
      .started_i(started),
      .valid_i(scale_valid_i),
      .ready_i(scale_ready_o),
      .data_i(scale_data_i),
      .stays_o(scale_stays)
  );

  stays #(
      .Width(SoftmaxLanes * ScoreBits)
  ) u_scores (
      .clk_i,
      .started_i(started),
      .valid_i(scores_valid_o),
      .ready_i(scores_ready_i),
      .data_i(scores),
      .stays_o(scores_stays)
  );

  stays #(
      .Width(Pe * SumBits)
  ) u_sums (
      .clk_i,
      .started_i(started),
      .valid_i(sums_valid_o),
      .ready_i(sums_ready_i),
      .data_i(sums),
      .stays_o(sums_stays)
  );

  packets #(
      .Depth(6)
  ) u_packets (
      .clk_i,
      .rst_ni,
      .enter_i(rows_valid_i[0] && rows_ready_o[0]),
      .rows_i (rows_data_i[0]),
      .beat_i (leave),
      .last_i (ends),
      .held_o (held),
      .rows_o (rows),
      .index_o(index)
  );

  for (genvar i = 0; i < 3; i++) begin : gen_part
    surplus u_part (
        .clk_i,
        .rst_ni,
        .take_i(in_valid[i] && in_ready[i]),
        .done_i(leave && ends),
        .beats_i(needed),
        .taken_o(),
        .done_o(),
        .surplus_o(part[i])
    );
  end

  always_ff @(posedge clk_i) begin
    for (int unsigned i = 0; i < 2; i++) begin
      if (!rst_ni) others_q[i] <= '0;
      else begin
        others_q[i] <= others_q[i] + 8'(rows_valid_i[i+1] && rows_ready_o[i+1]) - 8'(leave && ends);
      end
    end
  end

  contract_terms #(
      .Stands(Stands)
  ) u_terms (
      .clk_i,
      .rst_ni,
      .promised_i(scores_stays && sums_stays && held <= 4'd6 && &part_bounded &&
                  others_q[0] <= 8'd6 && others_q[1] <= 8'd6 &&
                  (!sums_valid_o || (held != '0 && whole)) &&
                  (!sums_valid_o || !ends || &part_whole)),
      .demanded_i(&in_stays && exponentials_stays && scale_stays &&
                  ((in_range & rows_valid_i) == rows_valid_i))
  );

endmodule : attention_engine_contract
