/// Rows of total_i elements: words of InLanes in, words of OutLanes out, in the elements' order.
///
/// A row comes as ceil(total_i / InLanes) words, the surplus lanes of its last one dropped, and
/// leaves as ceil(total_i / OutLanes), the last one filled with zeros. The busier side moves one
/// word a cycle, across rows too; a word leaves two cycles after the one that completes it.
/// total_i, in [1, Total], is constant from a row's first word to its last.
module gearbox #(
    parameter int unsigned InLanes = 1,
    parameter int unsigned OutLanes = 1,
    parameter int unsigned Width = 8,
    parameter int unsigned Total = 1,  // the largest row
    localparam int unsigned TotalBits = $clog2(Total + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic [TotalBits-1:0] total_i,

    input  logic             in_valid_i,
    output logic             in_ready_o,
    input  logic [Width-1:0] in_data_i [InLanes],

    output logic             out_valid_o,
    input  logic             out_ready_i,
    output logic [Width-1:0] out_data_o [OutLanes]
);

  function automatic int unsigned common_divisor(int unsigned one, int unsigned other);
    int unsigned rest;
    while (other != 0) begin
      rest  = one % other;
      one   = other;
      other = rest;
    end
    return one;
  endfunction

  // A queue of units, the elements that are never parted: a row starts where a word of it does,
  // so every word begins at a multiple of the greatest common divisor.
  localparam int unsigned Unit = common_divisor(InLanes, OutLanes);
  localparam int unsigned UnitBits = Unit * Width;
  localparam int unsigned InUnits = InLanes / Unit;
  localparam int unsigned OutUnits = OutLanes / Unit;
  // With a word taken whenever no more than two leave, neither side waits: before the end of a row
  // a word in adds at most what two words out hold, and the end fills no more than two.
  localparam int unsigned Words = 2 + operator_pkg::ceil_divide(InUnits, OutUnits);
  localparam int unsigned Units = Words * OutUnits;
  localparam int unsigned CountBits = $clog2(Units + 1);
  localparam int unsigned SeenBits = $clog2(Total + InLanes + 1);

  typedef logic [Units*UnitBits-1:0] queue_t;

  queue_t queue_q;  // zero from count_q on
  logic [CountBits-1:0] count_q;
  logic [CountBits-1:0] start, filled;
  logic [SeenBits-1:0] seen_q;  // elements of the row before this word
  logic [SeenBits-1:0] rest;
  logic enter, leave, row_ends;

  assign in_ready_o = count_q <= CountBits'(2 * OutUnits);
  assign enter = in_valid_i && in_ready_o;
  assign leave = count_q >= CountBits'(OutUnits) && (!out_valid_o || out_ready_i);
  assign rest = SeenBits'(total_i) - seen_q;
  assign row_ends = rest <= SeenBits'(InLanes);
  assign start = leave ? count_q - CountBits'(OutUnits) : count_q;

  // The units from the front to the end of the word that comes, whole words at the end of a row.
  always_comb begin
    filled = start + CountBits'(InUnits);
    if (row_ends) begin
      filled = '0;
      for (int unsigned word = 0; word < Words; word++) begin
        if (32'(start) * Unit + 32'(rest) > word * OutLanes) begin
          filled = CountBits'((word + 1) * OutUnits);
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      count_q <= '0;
      seen_q <= '0;
      out_valid_o <= 1'b0;
    end else begin
      count_q <= enter ? filled : start;
      if (enter) seen_q <= row_ends ? '0 : seen_q + SeenBits'(InLanes);
      if (leave) out_valid_o <= 1'b1;
      else if (out_ready_i) out_valid_o <= 1'b0;
    end
  end

  // The word that comes without its surplus, where it belongs in the queue.
  function automatic queue_t placed(logic [Width-1:0] data[InLanes], logic [SeenBits-1:0] count,
                                    logic [CountBits-1:0] unit);
    placed = '0;
    for (int unsigned lane = 0; lane < InLanes; lane++) begin
      if (SeenBits'(lane) < count) placed[lane*Width+:Width] = data[lane];
    end
    for (int unsigned i = 0; i < CountBits; i++) begin
      if (unit[i]) placed = placed << ((1 << i) * UnitBits);
    end
  endfunction

  // Reset clears the queue, data as it is: what comes is merged into zeros.
  always_ff @(posedge clk_i) begin
    if (!rst_ni) queue_q <= '0;
    else if (enter || leave) begin
      queue_q <= (leave ? queue_q >> (OutLanes * Width) : queue_q) |
          (enter ? placed(in_data_i, rest, start) : '0);
    end
    if (leave) begin
      for (int unsigned lane = 0; lane < OutLanes; lane++) begin
        out_data_o[lane] <= queue_q[lane*Width+:Width];
      end
    end
  end

endmodule : gearbox
