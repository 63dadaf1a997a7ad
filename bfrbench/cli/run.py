"""`bfrbench run`: a restorer on a board, to a scorecard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table
from bfrbench.errors import TooLittleMeasured

if TYPE_CHECKING:
    from bfrbench.bench.plan import Plan
    from bfrbench.bench.scorecard import Scorecard
    from bfrbench.specs import Precision

_GIB = 1 << 30


def run(
    restorer: str,
    /,
    *,
    board: str,
    out: Path | None = None,
    limit: int | None = None,
    metrics: Annotated[list[str] | None, cyclopts.Parameter(consume_multiple=True)] = None,
    save_images: bool = False,
    dry_run: bool = False,
    option: Annotated[list[str] | None, cyclopts.Parameter(name=["--option", "-o"])] = None,
    device: str | None = None,
    precision: str = "float32",
    sample: int = 0,
    point: float | None = None,
    batch: int | None = None,
    shard: int | None = None,
    threads: int | None = None,
    readers: int = 2,
    time_limit: float | None = None,
    memory_limit: float | None = None,
    in_process: bool = False,
    json: Json = False,
) -> int | None:
    """Run a restorer on a board and write its scorecard. The same command again goes on where it stopped.

    Any number of processes may run the same command at once, on one machine or on many that share the folder,
    by hand or under torchrun or Slurm: they share the work, and the results are the same.

    Parameters
    ----------
    restorer
        Its id, with its argument if it takes one: `gpen-512`, `folder:results/`, `onnx:model.onnx`.
    board
        A board's name (see `bfrbench boards list`) or the path of a board.toml.
    out
        Folder of the run (default: runs/BOARD/RESTORER).
    limit
        Only the first N images; the result is marked partial.
    metrics
        Only these metrics of the protocol; the result compares only with others so cut.
    save_images
        Keep the restored images in OUT/images.
    dry_run
        Say what would be done, and do nothing.
    option
        An option of the restorer, name=value; may be given again.
    device
        Where to compute (default: this process's GPU, else cpu).
    precision
        float32, bfloat16 or float16, where the restorer offers it.
    sample
        Which of its answers to take, for a restorer that has more than one.
    point
        Where on its perception-distortion curve to work, for a restorer that has one.
    batch
        Images restored together (default: the board's). Part of the run: results differ in their last bits.
    shard
        Images whose rows land together (default: the board's).
    threads
        CPU threads of each process (default: the cores, 8 at most). Part of the run, as batch is.
    readers
        Threads that read and degrade images; 0 reads, restores and scores one after the other.
    time_limit
        Seconds that a batch may take before its worker is stopped (default: the board's).
    memory_limit
        GiB that the restorer's worker may grow to before it is started anew (default: 80 % of the machine).
    in_process
        Trust the restorer: no worker process, so no protection from hangs and crashes.
    """
    from bfrbench.bench.plan import Settings, make_plan
    from bfrbench.bench.run import execute
    from bfrbench.bench.stage import open_stage
    from bfrbench.plugins import PluginHost
    from bfrbench.restorers.options import parse_options

    settings = Settings(
        out=out,
        limit=limit,
        metrics=tuple(metrics or ()),
        save_images=save_images,
        options=parse_options(option or ()),
        device=device,
        precision=_precision(precision),
        sample=sample,
        point=point,
        batch=batch,
        shard=shard,
        threads=threads,
        readers=readers,
        ahead=2 if readers else 0,
        time_limit=time_limit,
        memory_limit=None if memory_limit is None else int(memory_limit * _GIB),
        in_process=in_process,
    )
    host = PluginHost()
    plan = make_plan(restorer, open_stage(board, metrics=settings.metrics, host=host), settings, host=host)
    if dry_run:
        _show_plan(plan, json=json)
        return None
    card = execute(plan)
    if plan.rank.speaks:
        _show(card, plan, json=json)
    _refuse_failed(card, plan)
    return None


def _precision(text: str) -> Precision:
    from typing import cast, get_args

    from bfrbench.errors import UnknownName
    from bfrbench.specs import Precision

    if text not in get_args(Precision):
        raise UnknownName("precision", text, get_args(Precision))
    return cast("Precision", text)


def _show(card: Scorecard, plan: Plan, *, json: bool) -> None:
    if json:
        print_json(card.dump())
        return
    from bfrbench.cli.scorecard import show_card

    show_card(card)
    print(f"scorecard: {plan.folder / 'scorecard.json'}")


def _refuse_failed(card: Scorecard, plan: Plan) -> None:
    results = card.results
    if results.status != "failed":
        return
    count = sum(results.failures.values())
    kinds = ", ".join(f"{number} {kind}" for kind, number in results.failures.items())
    allowed = plan.stage.board.max_failures
    problem = f"{count} of {results.images} images failed ({kinds}) and the board allows {allowed:.2%}"
    first = card.observed.notes[0] if card.observed.notes else f"first: {results.failed_images[0].id}"
    raise TooLittleMeasured(problem, f"mend the restorer ({first}) and run it in a fresh folder")


def _show_plan(plan: Plan, *, json: bool) -> None:
    from bfrbench.bench.preview import preview

    facts = preview(plan)
    if json:
        print_json(facts)
    else:
        print_table(("what", "value"), [(name, value) for name, value in facts.items()])
