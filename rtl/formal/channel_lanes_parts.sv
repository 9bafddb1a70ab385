/// The properties of channel_lanes without Activation.
bind channel_lanes channel_lanes_properties #(
    .Pe(Pe),
    .Channels(Channels),
    .Block(Block),
    .Activation(Activation),
    .Latency(Latency)
) u_properties (
    .tile(8'(gen_parts.tile_q)),
    .position(8'(gen_parts.position_q)),
    .*
);
