// The seven kernels that a build makes, and their ports (stage_contract.md).
#pragma once

#include <config.hpp>

#include "../include/port.hpp"

namespace transfab {
using ConfigPort = Port<Config>;
using ConfigBeats = Stream<BeatOf<Config>>;
using Sequence = UInt<16>;
using BuildHash = UInt<64>;
}  // namespace transfab

extern "C" {
void qkv(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
         transfab::ConfigPort& qkv_out, transfab::Sequence sequence,
         transfab::BuildHash& build_hash);
void attention(transfab::ConfigPort& qkv_in, transfab::ConfigPort& hidden,
               transfab::ConfigPort& attention_parameters, transfab::ConfigPort& attention_output,
               transfab::Sequence sequence, transfab::BuildHash& build_hash);
void intermediate(transfab::ConfigPort& attention_output,
                  transfab::ConfigPort& intermediate_parameters,
                  transfab::ConfigPort& intermediate_out, transfab::Sequence sequence,
                  transfab::BuildHash& build_hash);
void output(transfab::ConfigPort& intermediate_in, transfab::ConfigPort& attention_output,
            transfab::ConfigPort& output_parameters, transfab::ConfigPort& output_out,
            transfab::Sequence sequence, transfab::BuildHash& build_hash);
void board_a(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
             transfab::ConfigPort& attention_parameters, transfab::ConfigPort& attention_output,
             transfab::Sequence sequence, transfab::BuildHash& build_hash);
void board_b(transfab::ConfigPort& attention_output, transfab::ConfigPort& intermediate_parameters,
             transfab::ConfigPort& output_parameters, transfab::ConfigPort& output_out,
             transfab::Sequence sequence, transfab::BuildHash& build_hash);
void layer(transfab::ConfigPort& hidden, transfab::ConfigPort& qkv_parameters,
           transfab::ConfigPort& attention_parameters,
           transfab::ConfigPort& intermediate_parameters, transfab::ConfigPort& output_parameters,
           transfab::ConfigPort& output_out, transfab::Sequence sequence,
           transfab::BuildHash& build_hash);
}
