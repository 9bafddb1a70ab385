/// Words of Lanes records of constants: 27-bit first, 18-bit multiplier, 48-bit offset a record.
///
/// Write: a beat of a parameter stream brings BeatBytes / 16 records, group write_group_i of the
/// word write_word_i; records of the last group beyond Lanes are dropped.
/// Read: read_i counts while enable_i is high. The word stands at the outputs after
/// operator_pkg::RecordLatency enabled cycles and stays until the next read's word replaces it;
/// with enable_i low everything of the read side holds. A word that is written in the very cycle
/// that its read is accepted in may come out old or new.
module record_memory #(
    parameter int unsigned Lanes = 1,
    parameter int unsigned Words = 1,
    localparam int unsigned PerBeat = transfab_pkg::BeatBytes / operator_pkg::RecordBytes,
    localparam int unsigned Groups = operator_pkg::ceil_divide(Lanes, PerBeat),
    localparam int unsigned WordBits = operator_pkg::index_bits(Words),
    localparam int unsigned GroupBits = operator_pkg::index_bits(Groups)
) (
    input logic clk_i,

    input logic write_i,
    input logic [WordBits-1:0] write_word_i,
    input logic [GroupBits-1:0] write_group_i,
    input logic [8*transfab_pkg::BeatBytes-1:0] write_beat_i,

    input logic enable_i,
    input logic read_i,
    input logic [WordBits-1:0] read_word_i,
    output logic signed [26:0] first_o[Lanes],
    output logic signed [17:0] multiplier_o[Lanes],
    output logic signed [47:0] offset_o[Lanes]
);

  localparam int unsigned First = operator_pkg::FirstBits;
  localparam int unsigned Multiplier = operator_pkg::MultiplierBits;
  localparam int unsigned Offset = operator_pkg::OffsetBits;
  localparam int unsigned Record = First + Multiplier + Offset;

  logic read_q;

  always_ff @(posedge clk_i) begin
    if (enable_i) read_q <= read_i;
  end

  // A memory a group, so that a group is written without the rest of its word.
  for (genvar group = 0; group < Groups; group++) begin : gen_group
    localparam int unsigned Count = operator_pkg::smaller(PerBeat, Lanes - group * PerBeat);

    logic [Count*Record-1:0] memory [Words];
    logic [Count*Record-1:0] word_q;

    // The low bits of int32, int32 and int64.
    function automatic logic [Count*Record-1:0] records(logic [8*transfab_pkg::BeatBytes-1:0] beat);
      for (int unsigned i = 0; i < Count; i++) begin
        records[i*Record+:Record] = {
          beat[128*i+64+:Offset], beat[128*i+32+:Multiplier], beat[128*i+:First]
        };
      end
    endfunction

    always_ff @(posedge clk_i) begin
      if (write_i && write_group_i == GroupBits'(group)) begin
        memory[write_word_i] <= records(write_beat_i);
      end
    end

    always_ff @(posedge clk_i) begin
      if (enable_i && read_i) word_q <= memory[read_word_i];
    end

    always_ff @(posedge clk_i) begin
      if (enable_i && read_q) begin
        for (int unsigned i = 0; i < Count; i++) begin
          first_o[group*PerBeat+i] <= word_q[i*Record+:First];
          multiplier_o[group*PerBeat+i] <= word_q[i*Record+First+:Multiplier];
          offset_o[group*PerBeat+i] <= word_q[i*Record+First+Multiplier+:Offset];
        end
      end
    end
  end

endmodule : record_memory
