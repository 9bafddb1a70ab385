# C simulation, C synthesis, co-simulation and export of one top.
#
# Written for Vitis HLS 2023.2 to 2024.2; unverified: no vendor tools were at hand.
#
#   vitis_hls -f kernel.tcl              or       vitis-run --mode hls --tcl kernel.tcl
#
# The two commands pass arguments differently, so that they are environment variables:
#
#   TRANSFAB_TOP      qkv, attention, intermediate, output, board_a, board_b, layer, read_memory or
#                     write_memory
#   TRANSFAB_PART     device, such as xcu280-fsvh2892-2L-e
#   TRANSFAB_PERIOD   clock period in ns
#   TRANSFAB_FORMAT   xo: a kernel for v++; ip: a block for Vivado
#   TRANSFAB_CONFIG   folder of config.hpp
#   TRANSFAB_SOURCES  folder of include, kernels, tops and testbench
#   TRANSFAB_OUT      folder to write: the project TOP, and TOP.xo; an ip stays in the project
#   TRANSFAB_STEPS    some of: csim csynth cosim export; by default csynth export
#   TRANSFAB_VECTORS  for csim and cosim: what `transfab export --format beats` wrote

proc argument {name {default ""}} {
  set variable TRANSFAB_$name
  if {[info exists ::env($variable)] && $::env($variable) ne ""} {
    return $::env($variable)
  }
  if {$default eq ""} {
    error "set $variable: kernel.tcl says what it is"
  }
  return $default
}

set top [argument TOP]
set part [argument PART]
set period [argument PERIOD]
set format [argument FORMAT]
set config [file normalize [argument CONFIG]]
set sources [file normalize [argument SOURCES]]
set out [file normalize [argument OUT]]
set steps [argument STEPS {csynth export}]

if {$format ni {xo ip}} {
  error "TRANSFAB_FORMAT must be xo or ip, not $format"
}
foreach step $steps {
  if {$step ni {csim csynth cosim export}} {
    error "TRANSFAB_STEPS must name some of csim csynth cosim export, not $step"
  }
}
set simulates [expr {"csim" in $steps || "cosim" in $steps}]
if {$simulates && $top in {read_memory write_memory}} {
  error "$top has no testbench of its own: leave csim and cosim out"
}
if {$simulates} {
  set vector_arguments "[file normalize [argument VECTORS]] $top"
}

set flags "-std=c++17 -I$config"
# As a module's name, `output` is a keyword of Verilog.
set kernel $top
if {$top eq "output"} {
  set kernel output_stage
  append flags " -Doutput=$kernel"
}
# The testbench calls the top through AMD's own streams and widths, those of synthesis.
set bench_flags "$flags -DTRANSFAB_WIDTH_TRUE -DTRANSFAB_VENDOR_STREAMS"

file mkdir $out
cd $out
open_project -reset $top
set_top $kernel
if {$simulates} {
  # The testbench calls every top by name.
  foreach file [glob -directory $sources/tops *.cpp] {
    add_files $file -cflags $flags -csimflags $bench_flags
  }
  foreach file {library.cpp main.cpp} {
    add_files -tb $sources/testbench/$file -cflags $bench_flags
  }
} else {
  add_files $sources/tops/$top.cpp -cflags $flags
}
open_solution -reset solution -flow_target [expr {$format eq "xo" ? "vitis" : "vivado"}]
set_part $part
create_clock -period $period -name default

if {"csim" in $steps} {
  csim_design -argv $vector_arguments
}
if {"csynth" in $steps || "cosim" in $steps || "export" in $steps} {
  csynth_design
}
if {"cosim" in $steps} {
  cosim_design -rtl verilog -argv $vector_arguments
}
if {"export" in $steps} {
  if {$format eq "xo"} {
    export_design -format xo -output $out/$top.xo
  } else {
    export_design -format ip_catalog -rtl verilog -ipname $kernel -version 1.0
  }
}
exit
