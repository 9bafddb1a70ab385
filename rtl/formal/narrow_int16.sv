/// Binds the properties of narrow for a 16-bit residual: beats are counted by their last words.
bind narrow narrow_properties u_properties (
    .coming(8'($countones(
        gen_requantize.valid_q & (gen_requantize.last_q | gen_requantize.high_q)
    ))),
    .state_q(state_q),
    .*
);
