"""Runs the benchmarks and writes docs/benchmarks.md: `python -m bench [--quick]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import file_bench, measure_bench
from bench.measure import machine
from bench.page import write_page
from tests.oracle.client import Oracle, OracleUnavailable


def main() -> int:
    """Measure, write the page, print it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="two rounds, no 1 GiB file, nothing written"
    )
    quick = parser.parse_args().quick
    try:
        Oracle.build()
    except OracleUnavailable as error:
        print(f"bench: no reference to compare with: {error}", file=sys.stderr)
        return 4
    with tempfile.TemporaryDirectory(prefix="igvm-bench-") as folder, Oracle(timeout=600) as oracle:
        rows = list(file_bench.run(Path(folder), oracle, quick=quick))
        rows += measure_bench.run(Path(folder), oracle, quick=quick)
    text = write_page(machine(), rows, None if quick else Path("docs/benchmarks.md"))
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
