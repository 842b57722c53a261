"""``python -m benchmarks``: the speed of fits beside other tools; ``scale``: against size.

Exit codes: 0 done and all means agree, 1 means differ, 2 bad input.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.runtime import ROOT, prepare_runtime

QUICK: dict[str, Any] = {"draws": 150, "tune": 150, "chains": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a benchmark and write its page."""
    args = _parser().parse_args(arguments)
    prepare_runtime()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    code: int = args.run(args)
    return code


def _parser() -> argparse.ArgumentParser:
    from benchmarks.running import TOOLS
    from benchmarks.tasks import TASKS

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.set_defaults(run=_bench)
    parser.add_argument("--quick", action="store_true", help="few authorities and draws")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--repeats", type=int, default=3, help="the first is cold, others warm")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument(
        "--peers", default=sys.executable, help="Python that has pystan or numpyro installed"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the page")
    scale = parser.add_subparsers(metavar="").add_parser("scale", help="against size")
    scale.set_defaults(run=_scale)
    scale.add_argument("--las", type=int, nargs="*", default=None, help="numbers of authorities")
    scale.add_argument("--outcomes", type=int, nargs="*", default=None)
    return parser


def _bench(args: argparse.Namespace) -> int:
    from benchmarks.bench import run_bench
    from benchmarks.page import write_page
    from benchmarks.running import Settings

    size = {"las": 24} if args.quick else {}
    settings = Settings(cores=args.cores, peers=args.peers, **(QUICK if args.quick else {}))
    with tempfile.TemporaryDirectory() as folder:
        bench = run_bench(
            Path(folder),
            settings,
            tasks=args.tasks,
            tools=args.tools,
            repeats=args.repeats,
            **size,
        )
    for path in write_page(bench, settings, args.out, quick=args.quick):
        print(f"written: {path}")
    if bench.means.empty:
        return 0
    differing = bench.means[bench.means["status"] == "differs"].to_dict("records")
    for row in differing:
        print(
            f"{row['task']} by {row['tool']}: means differ by {row['largest']:.1f} Monte Carlo "
            f"standard errors at {row['where']} (limit {row['limit']:.1f})"
        )
    return 1 if differing else 0


def _scale(args: argparse.Namespace) -> int:
    from benchmarks.page import write_scale_page
    from benchmarks.running import Settings
    from benchmarks.scale import LAS, OUTCOMES, run_scale

    settings = Settings(cores=args.cores, **(QUICK if args.quick else {}))
    with tempfile.TemporaryDirectory() as folder:
        tables = run_scale(
            Path(folder),
            settings,
            las=LAS if args.las is None else args.las,
            outcomes=OUTCOMES if args.outcomes is None else args.outcomes,
            areas=24 if args.quick else 150,
        )
        # The page says what is known so far, should the rest be stopped.
        written = [write_scale_page(table, settings, args.out) for table in tables]
    for path in written[-1] if written else []:
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
