# A Zynq block design around one kernel: a DMA engine a stream, interrupts, clock, addresses.
#
# Written for Vivado 2023.2 to 2024.2; unverified: no vendor tools were at hand.
#
#   vivado -mode batch -source block_design.tcl
#
# Arguments are environment variables, as those of kernel.tcl:
#
#   TRANSFAB_KERNEL      layer, board_a or board_b
#   TRANSFAB_IP          folder of its exported block
#   TRANSFAB_INPUTS      its input ports; stream and DMA engine are named after them
#   TRANSFAB_OUTPUT      its output port
#   TRANSFAB_BEAT_BYTES  bytes of a beat
#   TRANSFAB_PART        device
#   TRANSFAB_PLATFORM    board part, whose preset configures the processor
#   TRANSFAB_PROCESSOR   zynq_ultra_ps_e or processing_system7
#   TRANSFAB_PORTS       high-performance memory ports to use, at most
#   TRANSFAB_MHZ         clock of everything here
#   TRANSFAB_OUT         folder to write: the project KERNEL_design, KERNEL.bit and KERNEL.hwh
#   TRANSFAB_JOBS        processes of a run; 4 by default

proc argument {name {default ""}} {
  set variable TRANSFAB_$name
  if {[info exists ::env($variable)] && $::env($variable) ne ""} {
    return $::env($variable)
  }
  if {$default eq ""} {
    error "set $variable: block_design.tcl says what it is"
  }
  return $default
}

# A block of the catalog's newest version, with its properties.
proc block {vlnv name args} {
  set cell [create_bd_cell -type ip -vlnv $vlnv $name]
  if {[llength $args]} {
    set_property -dict $args $cell
  }
  return $cell
}

proc wire {from args} {
  foreach to $args {
    connect_bd_net [get_bd_pins $from] [get_bd_pins $to]
  }
}

proc bus {from to} {
  connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
}

proc place {offset segment} {
  assign_bd_address -offset $offset -range 64K \
    -target_address_space [get_bd_addr_spaces processor/Data] [get_bd_addr_segs $segment] -force
}

set kernel [argument KERNEL]
set inputs [argument INPUTS]
set output [argument OUTPUT]
set bits [expr {8 * [argument BEAT_BYTES]}]
set platform [argument PLATFORM]
set kind [argument PROCESSOR]
set mhz [argument MHZ]
set out [file normalize [argument OUT]]
set streams [concat $inputs $output]
set count [llength $streams]
set ports [expr {min($count, [argument PORTS])}]
set project $out/${kernel}_design

if {$kind ni {zynq_ultra_ps_e processing_system7}} {
  error "TRANSFAB_PROCESSOR must be zynq_ultra_ps_e or processing_system7, not $kind"
}
create_project -force $kernel $project -part [argument PART]
if {![llength [get_board_parts -quiet $platform]]} {
  error "no board files of $platform, which configure the processor: install them in Vivado\
    (Tools, Vivado Store, Boards) or set the parameter board.repoPaths, then run this again"
}
set_property board_part $platform [current_project]
set_property ip_repo_paths [file normalize [argument IP]] [current_project]
update_ip_catalog
create_bd_design transfab

# Processor: one control port, `ports` memory ports, one interrupt, one clock.
block xilinx.com:ip:$kind processor
if {$kind eq "zynq_ultra_ps_e"} {
  apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e \
    -config {apply_board_preset 1} [get_bd_cells processor]
  set settings [list CONFIG.PSU__FPGA_PL0_ENABLE 1 \
    CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $mhz CONFIG.PSU__USE__IRQ0 1 \
    CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0]
  for {set i 0} {$i < $ports} {incr i} {
    # S_AXI_HP0_FPD is slave port 2.
    set slave [expr {$i + 2}]
    lappend settings CONFIG.PSU__USE__S_AXI_GP$slave 1 CONFIG.PSU__SAXIGP${slave}__DATA_WIDTH 128
  }
  set clock processor/pl_clk0
  set reset processor/pl_resetn0
  set control {processor/M_AXI_HPM0_FPD processor/maxihpm0_fpd_aclk}
  set memory {processor/S_AXI_HP%d_FPD processor/saxihp%d_fpd_aclk}
  set interrupt processor/pl_ps_irq0
  set address_bits 40
  set base 0xA0000000
} else {
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config {make_external "FIXED_IO, DDR" apply_board_preset 1 Master Disable Slave Disable} \
    [get_bd_cells processor]
  set settings [list CONFIG.PCW_EN_CLK0_PORT 1 CONFIG.PCW_EN_RST0_PORT 1 \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $mhz CONFIG.PCW_USE_M_AXI_GP0 1 \
    CONFIG.PCW_USE_FABRIC_INTERRUPT 1 CONFIG.PCW_IRQ_F2P_INTR 1]
  for {set i 0} {$i < $ports} {incr i} {
    lappend settings CONFIG.PCW_USE_S_AXI_HP$i 1 CONFIG.PCW_S_AXI_HP${i}_DATA_WIDTH 64
  }
  set clock processor/FCLK_CLK0
  set reset processor/FCLK_RESET0_N
  set control {processor/M_AXI_GP0 processor/M_AXI_GP0_ACLK}
  set memory {processor/S_AXI_HP%d processor/S_AXI_HP%d_ACLK}
  set interrupt processor/IRQ_F2P
  set address_bits 32
  set base 0x40000000
}
set_property -dict $settings [get_bd_cells processor]

block xilinx.com:ip:proc_sys_reset resets
wire $reset resets/ext_reset_in
wire $clock resets/slowest_sync_clk [lindex $control 1]
proc clocked {clock_pin reset_pin} {
  wire $::clock $clock_pin
  wire resets/peripheral_aresetn $reset_pin
}

# Control: the processor reaches the kernel, the interrupt controller and every DMA engine.
block xilinx.com:ip:smartconnect control CONFIG.NUM_SI 1 CONFIG.NUM_MI [expr {$count + 2}]
clocked control/aclk control/aresetn
bus [lindex $control 0] control/S00_AXI

block xilinx.com:hls:$kernel:1.0 $kernel
clocked $kernel/ap_clk $kernel/ap_rst_n
bus control/M00_AXI $kernel/s_axi_control

# Interrupts: PYNQ wants one controller on the processor's first line.
block xilinx.com:ip:axi_intc interrupts CONFIG.C_IRQ_CONNECTION 1
clocked interrupts/s_axi_aclk interrupts/s_axi_aresetn
bus control/M01_AXI interrupts/s_axi
block xilinx.com:ip:xlconcat lines CONFIG.NUM_PORTS [expr {$count + 1}]
wire lines/dout interrupts/intr
wire interrupts/irq $interrupt
wire $kernel/interrupt lines/In0

# Memory: DMA engines share the memory ports in turn.
for {set i 0} {$i < $ports} {incr i} {
  set sharing($i) 0
}
for {set i 0} {$i < $count} {incr i} {
  incr sharing([expr {$i % $ports}])
}
for {set i 0} {$i < $ports} {incr i} {
  block xilinx.com:ip:smartconnect memory_$i CONFIG.NUM_SI $sharing($i) CONFIG.NUM_MI 1
  clocked memory_$i/aclk memory_$i/aresetn
  bus memory_$i/M00_AXI [format [lindex $memory 0] $i]
  wire $clock [format [lindex $memory 1] $i]
}
for {set i 0} {$i < $count} {incr i} {
  set stream [lindex $streams $i]
  set reads [expr {$stream ne $output}]
  set way [expr {$reads ? "mm2s" : "s2mm"}]
  # A packet has at most 2**26 - 1 bytes; it starts on a beat, so that nothing is realigned.
  block xilinx.com:ip:axi_dma dma_$stream CONFIG.c_include_sg 0 \
    CONFIG.c_sg_length_width 26 CONFIG.c_addr_width $address_bits \
    CONFIG.c_include_mm2s $reads CONFIG.c_include_s2mm [expr {!$reads}] \
    CONFIG.c_m_axi_${way}_data_width $bits CONFIG.c_${way}_burst_size 16 \
    {*}[expr {$reads ? [list CONFIG.c_m_axis_mm2s_tdata_width $bits] : {}}]
  clocked dma_$stream/s_axi_lite_aclk dma_$stream/axi_resetn
  wire $clock dma_$stream/m_axi_${way}_aclk
  bus [format control/M%02d_AXI [expr {$i + 2}]] dma_$stream/S_AXI_LITE
  bus dma_$stream/M_AXI_[string toupper $way] \
    [format memory_%d/S%02d_AXI [expr {$i % $ports}] [expr {$i / $ports}]]
  if {$reads} {
    bus dma_$stream/M_AXIS_MM2S $kernel/$stream
  } else {
    bus $kernel/$stream dma_$stream/S_AXIS_S2MM
  }
  wire dma_$stream/${way}_introut lines/In[expr {$i + 1}]
}

# Addresses: 64 KiB each, the kernel first; then all of the processor's memory to the engines.
place [format 0x%08X $base] $kernel/s_axi_control/Reg
place [format 0x%08X [expr {$base + 0x10000}]] interrupts/S_AXI/Reg
for {set i 0} {$i < $count} {incr i} {
  place [format 0x%08X [expr {$base + 0x10000 * ($i + 2)}]] \
    dma_[lindex $streams $i]/S_AXI_LITE/Reg
}
assign_bd_address
validate_bd_design
save_bd_design

make_wrapper -files [get_files transfab.bd] -top -import
set_property top transfab_wrapper [current_fileset]
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs [argument JOBS 4]
wait_on_run impl_1
if {[get_property PROGRESS [get_runs impl_1]] ne "100%"} {
  error "implementation failed: see $project"
}
set slack [get_property STATS.WNS [get_runs impl_1]]
if {$slack < 0} {
  error "timing is not met: worst slack $slack ns at $mhz MHz; set TRANSFAB_MHZ lower"
}
file copy -force [get_property DIRECTORY [get_runs impl_1]]/transfab_wrapper.bit $out/$kernel.bit
file copy -force $project/$kernel.gen/sources_1/bd/transfab/hw_handoff/transfab.hwh \
  $out/$kernel.hwh
exit
