"""MMRB-StyleGAN2's training: supervised as GFPGAN, with a self-supervised strategy of our own in three stages.

The labels of the strategy come from the sharp faces alone; the teacher is the moving average that is also the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, cast

import pydantic
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bfrbench.data import Samples
from bfrbench.nn import Discriminator
from bfrbench.training import checkpoint, losses
from bfrbench.training.adversary import Adversary
from bfrbench.training.components import Components, ComponentSettings, FivePoints
from bfrbench.training.judges import identity_network
from bfrbench.training.rates import adam, equalised
from bfrbench.training.settings import (
    AdversarialSettings,
    Judge,
    PerceptualSettings,
    asked_for_shape,
    discriminator_of,
    start_from,
)
from bfrbench.training.task import Faces, Labeller, Phase, Task, TaskContext, Terms
from bfrbench_mmrb.block import PATHS, BlockName, PathName
from bfrbench_mmrb.network import Link, MmrbShape, MmrbStyleGan2, Restored
from bfrbench_mmrb.priors import read_prior


class MmrbSettings(AdversarialSettings, PerceptualSettings, ComponentSettings):
    """The `[task]` table of an MMRB recipe."""

    multiplier: pydantic.PositiveFloat = 1.0
    link: Link = "cs_sft"
    block: BlockName = "mmrb"
    paths: tuple[PathName, ...] = PATHS
    mix: bool = True
    gate: bool = True
    width: pydantic.PositiveFloat = 1.0
    mapping_layers: pydantic.PositiveInt = 8
    prior: str | None = None
    """A run or checkpoint of `stylegan2-prior` with the same shape, or a file of a published StyleGAN2; "none"
    starts from nothing, and the recipe's "" is refused."""
    warm_up: bool = True
    """Stage S0: reconstruct sharp faces with the prior frozen and no discriminator."""
    teacher: bool = True
    """Stage S1: styles and features follow the teacher's for the sharp face."""
    two_views: bool = True
    """Stage S2: two degradations of a face are restored alike; the prior learns too."""
    warm_up_until: float = 0.05
    teacher_until: float = 0.6
    """Shares of the training at which S0 and S1 end."""
    sharp_share: float = 0.1
    """Chance, after S0 and as part of it, that a face comes in sharp."""
    teacher_ramp: pydantic.NonNegativeInt = 120_000
    """Images over which the teacher's terms grow to their weight."""
    latent: pydantic.NonNegativeFloat = 0.1
    feature: pydantic.NonNegativeFloat = 0.5
    feature_until: pydantic.PositiveInt = 64
    """Largest resolution whose features follow the teacher."""
    consistency: pydantic.NonNegativeFloat = 0.5
    redegradation: pydantic.NonNegativeFloat = 0.0
    """Weight of L1 between the shrunk result and the shrunk input, for super-resolution by `factor`."""
    factor: pydantic.PositiveInt = 8
    l1: pydantic.NonNegativeFloat = 0.1
    perceptual: pydantic.NonNegativeFloat = 1.0
    adversarial: pydantic.NonNegativeFloat = 0.1
    pyramid: pydantic.NonNegativeFloat = 1.0
    pyramid_until: pydantic.NonNegativeInt = 600_000
    """Images for which the decoder's small images are taught."""
    counted_from: Literal["start", "warm-up"] = "start"
    """Where those two begin to count: at the training's start, or at the end of S0."""
    identity: pydantic.NonNegativeFloat = 0.0
    rates: Literal["plain", "equalised"] = "plain"
    """Whether the codec's weights learn at `lr`, or each at `lr` over the root of its fan-in, as layers with equalised
    learning rate do (then lr = 2e-3 and betas = [0, 0.99] are StyleGAN2's)."""
    lr: pydantic.PositiveFloat = 1e-4
    lr_prior: pydantic.PositiveFloat = 1e-5
    lr_discriminator: pydantic.PositiveFloat = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)


_WATCH_EVERY = 16
"""Steps between looks at what the prior makes of the styles alone."""


class MmrbTraining(Task):
    """Learns pairs, each face in two degradations."""

    Settings = MmrbSettings
    averaged = "mmrb"
    staged = True
    views = 2

    def __init__(self, context: TaskContext) -> None:
        self.settings = s = MmrbSettings.model_validate(dict(context.settings))
        self.batch, self.device, self.length = context.batch, context.device, context.images
        self.views = 2 if s.two_views else 1
        self.mmrb = MmrbStyleGan2(_shape(context.size, s))
        discriminator = discriminator_of(context.size, s)
        if context.from_prior:
            self.started_from = start_from(s.prior, "stylegan2-prior", context.size, s)
        if self.started_from is not None:
            _adopt(self.started_from, self.mmrb, discriminator)
        self.mmrb, discriminator = self.mmrb.to(self.device), discriminator.to(self.device)
        self._restore = torch.compile(self.mmrb.restore) if context.compile else self.mmrb.restore
        self.networks = {"mmrb": self.mmrb, "discriminator": discriminator}
        self.optimisers = {
            "mmrb": adam(self._groups(), s.betas),
            "discriminator": adam(
                [(discriminator.parameters(), s.lr_discriminator)], (0.0, 0.99), s.r1_every if s.r1_gamma else None
            ),
        }
        self.adversary = Adversary(
            discriminator,
            lambda faces: self._given(faces).image,
            gamma=s.r1_gamma,
            every=s.r1_every,
            augmentation=s.augmentation,
            compile=context.compile,
        )
        self.perceptual = s.perceptual_judge(self.device)
        self.embed = identity_network(self.device) if s.identity else None
        self.components = Components(context.size, s, s.narrow) if s.components else None
        if self.components is not None:
            judges = self.networks["components"] = self.components.judges.to(self.device)
            self.optimisers["components"] = adam([(judges.parameters(), s.lr_discriminator)], (0.0, 0.99))
        self.teacher: MmrbStyleGan2 | None = None
        self.images = 0
        self._set_stage()

    @property
    def loss_networks(self) -> tuple[str, ...]:
        perceptual = self.perceptual.cards if self.perceptual else ()
        return (*perceptual, *(("arcface-ir-se50",) if self.embed else ()))

    @property
    def stage(self) -> int:
        """0, 1 or 2, by the share of the training that is done. Without S0 training begins in S1; the prior learns in
        S2 whatever else is switched off."""
        done, s = self.images / self.length, self.settings
        if s.warm_up and done < s.warm_up_until:
            return 0
        return 1 if done < s.teacher_until else 2

    @property
    def counted(self) -> float:
        """Images that the ramp and the pyramid count."""
        s = self.settings
        return self.images - (s.warm_up_until * self.length if s.warm_up and s.counted_from == "warm-up" else 0)

    def phases(self) -> Sequence[Phase]:
        restorer = Phase("restorer", "mmrb", self._lose)
        judges = self.adversary.phases() if self.settings.adversarial else []
        parts = self.components.phases(lambda faces: self._given(faces).image) if self.components else []
        return [restorer, *(phase.only(lambda: self.stage > 0) for phase in (*judges, *parts))]

    def labeller(self, sets: Sequence[Samples]) -> Labeller | None:
        return FivePoints(sets) if self.components else None

    def follow(self, average: nn.Module) -> None:
        self.teacher = cast(MmrbStyleGan2, average)

    def state(self) -> dict[str, Tensor]:
        return {"images": torch.tensor(self.images), **self.adversary.state()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.images = int(state["images"])
        self.adversary.load_state(state)
        self._set_stage()

    def after_step(self, images: int, stats: dict[str, float]) -> None:
        self.images = images
        self._set_stage()
        self.adversary.after_step(self.batch, stats)
        stats["stage"] = float(self.stage)

    def show(self, network: nn.Module, faces: Faces, seeds: Sequence[int]) -> Tensor:
        assert faces.lq is not None
        out: Tensor = network(faces.lq)
        return out.clamp(-1, 1)

    def _set_stage(self) -> None:
        """The prior learns in the last stage only."""
        for parameter in self.mmrb.generator.parameters():
            parameter.frozen = self.stage < 2  # type: ignore[attr-defined]

    def describe(self) -> dict[str, Any]:
        return asdict(self.mmrb.shape)

    def _groups(self) -> list[tuple[list[nn.Parameter], float]]:
        prior = list(self.mmrb.generator.parameters())
        inside = {id(parameter) for parameter in prior}
        codec = [parameter for parameter in self.mmrb.parameters() if id(parameter) not in inside]
        rate = self.settings.lr
        groups = equalised(codec, rate) if self.settings.rates == "equalised" else [(codec, rate)]
        return [*groups, (prior, self.settings.lr_prior)]

    def _given(self, faces: Faces) -> Restored:
        """The restorer's answer to what this stage feeds it."""
        assert faces.lq is not None
        if self.stage == 0:
            return self._restore(faces.gt, fixed_noise=False)
        share = self.settings.sharp_share if self.settings.warm_up else 0.0
        sharp = torch.rand(len(faces), 1, 1, 1, device=faces.gt.device) < share
        return self._restore(torch.where(sharp, faces.gt, faces.lq), fixed_noise=False)

    def _lose(self, faces: Faces) -> Terms:
        s, out, gt = self.settings, self._given(faces), faces.gt
        terms: Terms = {"l1": s.l1 * (out.image - gt).abs().mean(), **self._watched(out, gt)}
        if self.perceptual is not None:
            terms |= self.perceptual.terms(gt, out.image, features=s.perceptual, style=s.style)
        if self.stage == 0:
            return terms
        if s.adversarial:
            terms["adversarial"] = s.adversarial * self.adversary.fool(out.image)
        if s.pyramid and self.counted < s.pyramid_until:
            terms["pyramid"] = s.pyramid * _pyramid(out.pyramid, gt)
        if self.embed is not None:
            terms["identity"] = s.identity * losses.identity(self.embed(gt), self.embed(out.image))
        if self.components is not None:
            terms.update(self.components.terms(out.image, faces))
        if s.redegradation:
            result, given = (_shrunk(image, s.factor) for image in (out.image, cast(Tensor, faces.lq)))
            terms["redegradation"] = s.redegradation * (result - given).abs().mean()
        return {**terms, **self._taught(faces, out)}

    @torch.no_grad()
    def _watched(self, out: Restored, gt: Tensor) -> Terms:
        """Whether w+ still tells people apart while the link carries the image; changes nothing of the training."""
        terms: Terms = {}
        if len(gt) > 1:
            terms["styles/variance"] = out.ws.var(dim=0).mean()
        if self.images % (_WATCH_EVERY * self.batch) == 0:
            terms["styles/l1-alone"] = (self.mmrb.by_styles_alone(out.ws) - gt).abs().mean()
        return terms

    def _taught(self, faces: Faces, out: Restored) -> Terms:
        """What the teacher says: of the sharp face in S1 and S2, of the other view in S2."""
        s, teacher = self.settings, self.teacher
        terms: Terms = {}
        assert teacher is not None
        if s.teacher:
            with torch.no_grad():
                ws, features = teacher.encode(faces.gt)
                wanted = teacher.decode(features)
            ramp = min(1.0, self.counted / s.teacher_ramp) if s.teacher_ramp else 1.0
            sides = [side for side in wanted if side <= s.feature_until]
            gaps = [(out.features[side] - wanted[side]).abs().mean() for side in sides]
            terms["latent"] = ramp * s.latent * (out.ws - ws).square().mean()
            terms["feature"] = ramp * s.feature * torch.stack(gaps).mean()
        if s.two_views and self.stage == 2:
            looks = cast(Tensor, faces.lq), cast(Tensor, faces.second)
            with torch.no_grad():
                targets = teacher(looks[1]), teacher(looks[0])
            first, second = (self._restore(look, fixed_noise=True).image for look in looks)
            gap = (first - targets[0]).abs().mean() + (second - targets[1]).abs().mean()
            terms["consistency"] = s.consistency * gap / 2
        return terms


def _shape(size: int, s: MmrbSettings) -> MmrbShape:
    with asked_for_shape():
        return MmrbShape(size, **s.model_dump(include={field.name for field in fields(MmrbShape)}))


def _shrunk(image: Tensor, factor: int) -> Tensor:
    return F.interpolate(image, scale_factor=1 / factor, mode="bicubic", antialias=True)


def _pyramid(small: Mapping[int, Tensor], gt: Tensor) -> Tensor:
    parts = [(image - F.interpolate(gt, size=(side, side), mode="area")).abs().mean() for side, image in small.items()]
    return torch.stack(parts).sum()


def _adopt(place: Path, mmrb: MmrbStyleGan2, discriminator: Judge) -> None:
    prior, mean = mmrb.generator, None
    judge = discriminator if isinstance(discriminator, Discriminator) else None  # a patch discriminator starts anew
    if place.is_file():
        filed = read_prior(place)
        filed.fill(prior, judge)
        mean = filed.mean_style
    else:
        parts: dict[str, nn.Module] = {"average": prior, **({"discriminator": judge} if judge else {})}
        checkpoint.load_networks(place, parts)
    mmrb.adopt(prior, mean)
