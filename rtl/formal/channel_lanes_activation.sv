/// The properties of channel_lanes with Activation, which has no parts.
bind channel_lanes channel_lanes_properties #(
    .Pe(Pe),
    .Channels(Channels),
    .Block(Block),
    .Activation(Activation),
    .Latency(Latency)
) u_properties (
    .tile('0),
    .position('0),
    .*
);
