"""How long `bfrbench --help` takes beside `python -c "import rich"`, whole processes, in turn.

    python benchmarks/cli.py

The bound is a ratio of 10: a command line that is slow to say what it can do is not asked.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
OURS = [sys.executable, "-m", "bfrbench", "--help"]
RIVAL = [sys.executable, "-c", "import rich"]
BARE = [sys.executable, "-c", "pass"]


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    for command in (OURS, RIVAL, BARE):
        seconds(command)
    rounds = [(seconds(OURS), seconds(RIVAL), seconds(BARE)) for _ in range(RUNS)]
    ours, rival, bare = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b, _ in rounds)
    print(f"median of {RUNS} rounds, whole processes")
    print(f"  bfrbench --help   {1000 * ours:7.1f} ms")
    print(f"  import rich       {1000 * rival:7.1f} ms")
    print(f"  bare interpreter  {1000 * bare:7.1f} ms")
    print(f"ratio to import rich: {ratio:.2f} (bound 10): {'met' if ratio <= 10 else 'NOT MET'}")


if __name__ == "__main__":
    main()
