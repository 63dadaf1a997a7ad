"""The grammar of recipe files: every operation by name, and the two that hold further steps.

Reads plain TOML data into steps, and says which file, step and key is wrong and what is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Self

import pydantic

from bfrbench.config import Frozen, parse
from bfrbench.contracts import Op
from bfrbench.degradations import steps
from bfrbench.degradations.keyed import Keys
from bfrbench.degradations.numbers import Numbers, number, pick
from bfrbench.degradations.steps import Step
from bfrbench.errors import ConfigError, suggestion


class Branch(Frozen):
    """One way out of `one-of`."""

    weight: Annotated[float, pydantic.Field(ge=0)] = 1.0
    steps: tuple[pydantic.SerializeAsAny[Step], ...]


class OneOf(Step):
    """Exactly one of its branches happens."""

    op = "one-of"
    branch: tuple[Branch, ...]

    def happen(self, keys: Keys) -> tuple[Op, ...]:
        chosen = pick([branch.weight for branch in self.branch], keys.unit("branch"))
        return draw_steps(self.branch[chosen].steps, keys.under(chosen))

    def scaled(self, factor: float) -> Self:
        def follow(branch: Branch) -> Branch:
            return branch.model_copy(update={"steps": tuple(step.scaled(factor) for step in branch.steps)})

        return self.model_copy(update={"branch": tuple(follow(branch) for branch in self.branch)})

    def plain(self) -> dict[str, Any]:
        return {"p": self.p, "branch": [{"weight": b.weight, "steps": plain_steps(b.steps)} for b in self.branch]}


class Patch(Step):
    """Keeps only a square patch of `side` pixels as it is; around it, the input goes the steps so far a second time."""

    op = "patch"
    lengths: ClassVar = {"side": "whole"}
    side: Annotated[Numbers, number(1, 4096, whole=True)]

    def arguments(self, keys: Keys) -> dict[str, Any]:
        return {"side": self.side.draw(keys, "side"), "x": round(keys.unit("x"), 6), "y": round(keys.unit("y"), 6)}


OPERATIONS: dict[str, type[Step]] = {
    kind.op: kind
    for kind in (
        *(steps.Blur, steps.Sinc, steps.Motion, steps.Defocus, steps.Resize, steps.Gaussian, steps.Poisson),
        *(steps.Jpeg, steps.Webp, steps.Shift, steps.Jitter, steps.Grey, steps.Haze, steps.Light),
        *(steps.Move, steps.Flip, steps.Strokes, steps.Palette, OneOf, Patch),
    )
}


def read_steps(data: Any, where: str) -> tuple[Step, ...]:
    """Steps from plain data; `where` names the file in errors."""
    if not isinstance(data, list) or not data:
        raise ConfigError(f"{where}: there are no steps", "write at least one [[step]] with an op")
    return tuple(_read(item, f"{where}: step {place}") for place, item in enumerate(data, 1))


def draw_steps(sequence: Sequence[Step], keys: Keys) -> tuple[Op, ...]:
    """What happens, in order; a patch holds the second draw of what came before it."""
    ops: tuple[Op, ...] = ()
    for place, step in enumerate(sequence):
        happened = step.draw(keys.under(place))
        if isinstance(step, Patch) and happened:
            again = _draw_again(sequence[:place], keys)
            arguments = {**happened[0].args, "around": [asdict(op) for op in again]}
            happened = (Op(step.op, arguments),)
        ops += happened
    return ops


def _draw_again(sequence: Sequence[Step], keys: Keys) -> tuple[Op, ...]:
    """A second draw of steps, but for those that change the target as well: image and target stay together."""
    drawn: tuple[Op, ...] = ()
    for place, step in enumerate(sequence):
        drawn += step.draw((keys if step.touches_target else keys.under("again")).under(place))
    return drawn


def plain_steps(sequence: Sequence[Step]) -> list[dict[str, Any]]:
    return [{"op": step.op, **step.plain()} for step in sequence]


def leaves(sequence: Sequence[Step]) -> list[Step]:
    """Every step that may happen, those inside branches included."""
    found: list[Step] = []
    for step in sequence:
        found += [leaf for b in step.branch for leaf in leaves(b.steps)] if isinstance(step, OneOf) else [step]
    return found


def _read(item: Any, where: str) -> Step:
    if not isinstance(item, dict) or not isinstance(item.get("op"), str):
        raise ConfigError(f"{where} has no op", f"choose one of {', '.join(OPERATIONS)}")
    op = item["op"]
    if op not in OPERATIONS:
        raise ConfigError(f"{where}: there is no operation {op!r}", suggestion(op, OPERATIONS))
    where = f"{where} ({op})"
    rest = {key: value for key, value in item.items() if key != "op"}
    if op == OneOf.op:
        rest["branch"] = _branches(rest.get("branch"), where)
    return parse(rest, OPERATIONS[op], where=where)


def _branches(data: Any, where: str) -> list[Any]:
    if not isinstance(data, list) or not data:
        raise ConfigError(f"{where} has no branches", "write at least one [[step.branch]] with steps")
    branches = []
    for place, branch in enumerate(data, 1):
        here = f"{where}, branch {place}"
        inside = read_steps(branch.get("steps") if isinstance(branch, dict) else None, here)
        rest = {key: value for key, value in branch.items() if key != "steps"}
        branches.append(parse({**rest, "steps": inside}, Branch, where=here))
    if not any(branch.weight for branch in branches):
        raise ConfigError(f"{where}: every branch has weight 0", "give at least one branch a weight above 0")
    return branches
