"""The named checks. Each takes a case and returns, or says in one sentence what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from bfrbench.testing.case import Case

if TYPE_CHECKING:
    from torch import Tensor, nn

    from bfrbench.contracts import Batch

Check: TypeAlias = Callable[[Case], None]
CHECKS: dict[str, Check] = {}
SINGLES_TOLERANCE = 1e-4
"""Networks differ by about 1e-6 with the batch's size; more than this is a batch that mixes its images."""


class CheckFailedError(AssertionError):
    """What a restorer does wrong, in one sentence."""


class NotApplicable(Exception):
    """Why a check says nothing about this restorer."""


def _named(check: Check) -> Check:
    CHECKS[check.__name__.replace("_", "-")] = check
    return check


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise CheckFailedError(sentence)


@_named
def declared_licence(case: Case) -> None:
    """The spec says under which licence the restorer may be used."""
    vague = {"", "unknown", "none", "tbd", "todo", "?"}
    _require(case.spec.licence.strip().lower() not in vague, f"its licence is given as {case.spec.licence!r}")


@_named
def declared_training_sets(case: Case) -> None:
    """The spec names the sets that the weights saw, or says () when nothing was learned."""
    learned = bool(case.spec.weights or case.spec.loss_networks)
    _require(not learned or bool(case.spec.trained_on), "it has weights but names no training set in trained_on")
    _require(all(name.strip() for name in case.spec.trained_on), "trained_on holds an empty name")


@_named
def lazy_import(case: Case) -> None:
    """Reading the plugin's specs imports no torch."""
    plugin = case.host.plugins[case.plugin]
    if not plugin.distribution:
        raise NotApplicable("the plugin is not installed, so its import cannot be watched on its own")
    program = (
        "import sys; from bfrbench.plugins import PluginHost; PluginHost().restorers(); "
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "BFRBENCH_PLUGINS": plugin.name}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    _require(done.returncode == 0, f"reading its specs imports torch (or fails: {done.stderr.strip()[-200:]!r})")


@_named
def keeps_shape(case: Case) -> None:
    """One restored image for each image, of the same size."""
    batch = case.batch()
    out = _restore(case, batch)
    _require(out.shape == batch.lq.shape, f"{tuple(batch.lq.shape)} came back as {tuple(out.shape)}")


@_named
def keeps_range(case: Case) -> None:
    """Values are finite and in [0, 1], also for black, white and noise."""
    import torch

    batch = case.batch()
    extremes = torch.stack([torch.zeros_like(batch.lq[0]), torch.ones_like(batch.lq[0])])
    for lq in (batch.lq, extremes):
        out = _restore(case, _with(batch, lq))
        _require(bool(torch.isfinite(out).all()), "it returns NaN or infinity")
        low, high = float(out.min()), float(out.max())
        _require(low >= 0 and high <= 1, f"values reach from {low:.4g} to {high:.4g}: clamp them to [0, 1]")


@_named
def keeps_dtype(case: Case) -> None:
    """float32 in, float32 out, whatever the precision inside."""
    out = _restore(case, case.batch())
    _require(str(out.dtype) == "torch.float32", f"it returns {out.dtype}")


@_named
def keeps_device(case: Case) -> None:
    """The answer lies on the device that the batch came on."""
    batch = case.batch()
    out = _restore(case, batch)
    _require(out.device == batch.lq.device, f"{batch.lq.device} came back on {out.device}")


@_named
def leaves_input_alone(case: Case) -> None:
    """The batch is not written to, and the answer is no view of it."""
    import torch

    batch = case.batch()
    before = batch.lq.clone()
    out = _restore(case, batch)
    _require(torch.equal(before, batch.lq), "it writes into the batch it was given")
    shared = out.untyped_storage().data_ptr() == batch.lq.untyped_storage().data_ptr()
    _require(not shared, "it returns the batch it was given: clone it")


@_named
def batch_equals_singles(case: Case) -> None:
    """Each image's answer is the same alone, in a batch, and in another order."""
    import torch

    batch = case.batch()
    together = _restore(case, batch)
    alone = torch.cat([_restore(case, _pick(batch, [i])) for i in range(len(batch.ids))])
    order = list(reversed(range(len(batch.ids))))
    turned = _restore(case, _pick(batch, order))[order]
    for other, what in ((alone, "alone"), (turned, "in another order")):
        gap = float((together - other).abs().max())
        _require(gap <= SINGLES_TOLERANCE, f"an image's answer changes by {gap:.2g} when it is restored {what}")


@_named
def deterministic(case: Case) -> None:
    """Same batch and seeds, same bits, from the same object and from a fresh one."""
    import torch

    if not case.spec.deterministic:
        raise NotApplicable("the spec says that it is not deterministic")
    batch = case.batch()
    first = _restore(case, batch)
    torch.rand(7)
    _require(torch.equal(first, _restore(case, batch)), "the same object answers differently the second time")
    with torch.inference_mode():
        again = case.make().restorer.restore(batch)
    _require(torch.equal(first, again), "a fresh object answers differently")


@_named
def honours_sizes(case: Case) -> None:
    """Its own size directly, and every size through bfrbench, which resizes in and out."""
    sizes = (case.spec.size,) if case.spec.size else (32, 65)
    for size in sizes:
        out = _restore(case, case.batch(size, ids=case.ids[:1]))
        _require(out.shape[-1] == size, f"{size} px came back with {out.shape[-1]}")
    out = case.restorer.restore(case.batch(48, ids=case.ids[:1]))
    _require(out.shape[-2:] == (48, 48), f"48 px came back through bfrbench with {tuple(out.shape[-2:])}")


@_named
def state_round_trip(case: Case) -> None:
    """The network's weights survive safetensors: saved, loaded into a fresh object, same bits out."""
    import torch
    from safetensors.torch import load, save

    first = _module(case.restorer)
    saved = save({name: value.contiguous().clone() for name, value in first.state_dict().items()})
    other = case.make()
    with torch.no_grad():
        for parameter in _module(other).parameters():
            parameter.zero_()
    _module(other).load_state_dict(load(saved))
    batch = case.batch()
    with torch.inference_mode():
        same = torch.equal(case.restorer.restorer.restore(batch), other.restorer.restore(batch))
    _require(same, "its answer changes when its weights are saved and loaded")


def _module(loaded: object) -> nn.Module:
    from torch import nn

    restorer = getattr(loaded, "restorer", None)
    for candidate in (restorer, getattr(restorer, "module", None)):
        if isinstance(candidate, nn.Module) and next(candidate.parameters(), None) is not None:
            return candidate
    raise NotApplicable("it has no `module` with parameters")


def _restore(case: Case, batch: Batch) -> Tensor:
    """The plugin's own object, without the door that would mend or refuse its answer."""
    import torch

    with torch.inference_mode():
        out = case.restorer.restorer.restore(batch)
    _require(isinstance(out, torch.Tensor), f"it returns {type(out).__name__} instead of a tensor")
    return out


def _pick(batch: Batch, indices: list[int]) -> Batch:
    gt = None if batch.gt is None else batch.gt[indices]
    ids, seeds = tuple(batch.ids[i] for i in indices), tuple(batch.seeds[i] for i in indices)
    return replace(batch, ids=ids, lq=batch.lq[indices], seeds=seeds, gt=gt)


def _with(batch: Batch, lq: Tensor) -> Batch:
    count = len(lq)
    gt = None if batch.gt is None else lq.clone()
    return replace(batch, ids=batch.ids[:count], lq=lq, seeds=batch.seeds[:count], gt=gt)
