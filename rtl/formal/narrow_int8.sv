/// Binds the properties of narrow for an 8-bit residual: no beat is being made.
bind narrow narrow_properties u_properties (
    .coming ('0),
    .state_q(state_q),
    .*
);
