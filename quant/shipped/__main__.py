"""`python -m transfab.quant.shipped PACKAGES OUT [NAME ...]`: write shipped models as folders."""

from __future__ import annotations

import sys
from pathlib import Path

from transfab.quant.shipped import SHIPPED, write_models


def main(arguments: list[str]) -> int:
    """Write the named models, all by default; returns 0, 1 for a refusal, 2 for the usage."""
    if len(arguments) < 2 or any(argument.startswith("-") for argument in arguments):
        print(f"usage: python -m transfab.quant.shipped PACKAGES OUT [{' | '.join(SHIPPED)}]...")
        return 2
    packages, out, *names = arguments
    try:
        folders = write_models(names or list(SHIPPED), Path(packages), Path(out))
    except (ValueError, OSError, ImportError) as err:
        print(f"transfab: {' '.join(str(err).split())}", file=sys.stderr)
        return 1
    for folder in folders:
        print(f"wrote {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
