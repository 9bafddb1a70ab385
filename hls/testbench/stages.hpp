// Each stage compiled once, with its own top: the tops of several stages then only call it.
//
// build.py includes this ahead of every source and defines TRANSFAB_MAKES_QKV and so on for the top
// of one stage. It saves half of the compile time and nothing else; kernels do not know of it.
#pragma once

#include "../tops/tops.hpp"

namespace transfab {

using Beats = Stream<BeatOf<Config>>;

#ifndef TRANSFAB_MAKES_QKV
extern
#endif
    template void Qkv<Config>(int, Beats&, Beats&, Beats&);

#ifndef TRANSFAB_MAKES_ATTENTION
extern
#endif
    template void Attention<Config>(int, Beats&, Beats&, Beats&, Beats&);

#ifndef TRANSFAB_MAKES_INTERMEDIATE
extern
#endif
    template void Intermediate<Config>(int, Beats&, Beats&, Beats&);

#ifndef TRANSFAB_MAKES_OUTPUT
extern
#endif
    template void Output<Config>(int, Beats&, Beats&, Beats&, Beats&);

}  // namespace transfab
