"""AMD's ap_int.h for width-true builds: where it is, and a copy whose integers stay in registers.

The headers come with the hls4ml package, which is looked up and never imported.
"""

from __future__ import annotations

import importlib.util
import shutil
from importlib import metadata
from pathlib import Path
from typing import Final

PACKAGE: Final = "hls4ml"
# Every operation ends in this function, which `volatile` keeps from being optimised: without it
# kernels run 7 times faster and compute the same. Text that is not there is left alone.
FILE: Final = "etc/ap_private.h"
SLOW: Final = "INLINE void clearUnusedBits(void) volatile"
FAST: Final = (
    "INLINE void clearUnusedBits(void) volatile "
    "{ const_cast<ap_private*>(this)->clearUnusedBits(); }\n"
    "  INLINE void clearUnusedBits(void)"
)


def ap_int_headers() -> Path | None:
    """The folder of ap_int.h in the package; None without it."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location, "templates", "vivado", "ap_types")
        if (folder / "ap_int.h").is_file():
            return folder
    return None


def missing_headers() -> str | None:
    """Why there is no ap_int.h, with the way out; None if there is."""
    if ap_int_headers() is not None:
        return None
    return (
        f"no ap_int.h: AMD's headers come with {PACKAGE}, which is not installed "
        '(pip install "transfab[csim]")'
    )


def version() -> str:
    """What the headers are, for the name of a build."""
    return f"{metadata.version(PACKAGE)} {FAST}"


def copy_headers(folder: Path) -> Path:
    """Copy the headers into a new folder, faster; RuntimeError without them."""
    headers = ap_int_headers()
    if headers is None:
        raise RuntimeError(missing_headers())
    shutil.copytree(headers, folder)
    file = folder / FILE
    # Latin 1 gives every byte back.
    text = file.read_text(encoding="latin-1")
    file.write_text(text.replace(SLOW, FAST), encoding="latin-1")
    return folder
