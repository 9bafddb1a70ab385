/// word_buffer: words are read in the order written; one that is claimed always has room.
///
/// Assumed of its users: claims with room, writes of what is claimed, reads of what is written in
/// an earlier cycle.
module word_buffer_properties #(
    parameter int unsigned Width = 1,
    parameter int unsigned Depth = 1,
    localparam int unsigned IndexBits = operator_pkg::index_bits(Depth),
    localparam int unsigned CountBits = $clog2(Depth + 1)
) (
    input logic clk_i,
    input logic rst_ni,

    input logic             reserve_i,
    input logic             room_o,
    input logic             write_i,
    input logic [Width-1:0] write_data_i,

    input logic             read_i,
    input logic [Width-1:0] read_data_o,

    input logic [Width-1:0] memory[Depth],
    input logic [IndexBits-1:0] write_q,
    input logic [IndexBits-1:0] read_q,
    input logic [CountBits-1:0] count_q
);

  logic started, watched, due_q, shown_q;
  logic [7:0] held, ahead, claimed_q;
  logic [Width-1:0] data, due_data_q;

  reset_first u_reset (
      .clk_i,
      .rst_ni,
      .started_o(started)
  );

  // An element leaves when it is read; what is shown afterwards is compared below.
  watched_queue #(
      .Width(Width)
  ) u_queue (
      .clk_i,
      .rst_ni,
      .started_i(started),
      .enter_i(write_i),
      .enter_data_i(write_data_i),
      .leave_i(read_i),
      .leave_data_i(memory[read_q]),
      .held_o(held),
      .watched_o(watched),
      .ahead_o(ahead),
      .data_o(data)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      claimed_q <= '0;
      due_q <= 1'b0;
    end else begin
      claimed_q <= claimed_q + 8'(reserve_i) - 8'(write_i);
      if (read_i) due_q <= watched && ahead == '0;
      due_data_q <= data;
      if (due_q && !read_i) due_data_q <= due_data_q;
      if (reserve_i) assume (room_o);
      if (write_i) assume (claimed_q != '0);
      if (read_i) assume (held != '0);
    end
    if (started) begin
      assert (room_o == (32'(claimed_q) + 32'(held) < Depth));
      assert (32'(count_q) == 32'(claimed_q) + 32'(held) && count_q <= Depth);
      assert (read_q < Depth && write_q < Depth);
      assert ((32'(read_q) + 32'(held)) % Depth == 32'(write_q));
      if (watched) assert (memory[(32'(read_q)+32'(ahead))%Depth] == data);
      // From the cycle after the read until the next one.
      if (due_q) assert (read_data_o == due_data_q);
    end
  end

endmodule : word_buffer_properties

bind word_buffer word_buffer_properties #(
    .Width(Width),
    .Depth(Depth)
) u_properties (.*);
