/// Sends a residual packet on, and the mask that it begins with to the softmax as well.
module mask_fork (
    input logic clk_i,
    input logic rst_ni,

    input  logic                                            rows_valid_i,
    output logic                                            rows_ready_o,
    input  logic [$clog2(transfab_pkg::Sequence + 1) - 1:0] rows_data_i,

    input  logic in_valid_i,
    output logic in_ready_o,

    output logic packet_valid_o,
    input  logic packet_ready_i,

    output logic mask_valid_o,
    input  logic mask_ready_i
);

  localparam int unsigned BeatBytes = transfab_pkg::BeatBytes;
  localparam int unsigned RowBits = $clog2(transfab_pkg::Sequence + 1);
  localparam int unsigned RowBeats = operator_pkg::ceil_divide(
      transfab_pkg::Hidden * transfab_pkg::ResidualBits / 8, BeatBytes
  );
  localparam int unsigned BeatIndexBits = operator_pkg::index_bits(RowBeats);

  logic in_mask_q, enter, mask_ends, row_ends, packet_ends;
  logic [31:0] covered_q;  // rows whose mask has passed
  logic [RowBits-1:0] row_q;
  logic [BeatIndexBits-1:0] beat_q;
  logic [1:0] valid, ready;

  stream_fork u_fork (
      .clk_i,
      .rst_ni,
      .in_valid_i (in_valid_i && rows_valid_i),
      .in_ready_o (enter),
      .out_valid_o(valid),
      .out_ready_i(ready)
  );

  assign packet_valid_o = valid[0];
  assign mask_valid_o = valid[1] && in_mask_q;
  assign ready = {!in_mask_q || mask_ready_i, packet_ready_i};
  assign in_ready_o = rows_valid_i && enter;
  assign mask_ends = covered_q + BeatBytes >= 32'(rows_data_i);
  assign row_ends = beat_q == BeatIndexBits'(RowBeats - 1);
  assign packet_ends = !in_mask_q && row_ends && row_q == rows_data_i - 1'b1;
  assign rows_ready_o = in_valid_i && in_ready_o && packet_ends;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      in_mask_q <= 1'b1;
      covered_q <= '0;
      row_q <= '0;
      beat_q <= '0;
    end else if (in_valid_i && in_ready_o) begin
      if (in_mask_q) begin
        covered_q <= mask_ends ? '0 : covered_q + BeatBytes;
        in_mask_q <= !mask_ends;
      end else begin
        beat_q <= row_ends ? '0 : beat_q + 1'b1;
        if (row_ends) row_q <= packet_ends ? '0 : row_q + 1'b1;
        in_mask_q <= packet_ends;
      end
    end
  end

endmodule : mask_fork
