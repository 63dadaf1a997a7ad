"""The plugin of GPEN: what it offers, as data."""

from __future__ import annotations

from bfrbench.hookspecs import hookimpl
from bfrbench.restorers.alpha import POINTS, alpha_option
from bfrbench.specs import Argument, RestorerSpec, TrainingRecipeSpec
from bfrbench.training.library import recipe_specs

LICENCE = "code Apache-2.0; released weights: none in their repository, its README of 2021 said non-commercial use only"
CITATION = "Yang, Ren, Xie, Zhang: GAN Prior Embedded Network for Blind Face Restoration in the Wild, CVPR 2021"
FILE = "a GPEN checkpoint (.safetensors, or .pth as published or from a training); its size is read off the tensors"


COMPILE = {"compile": "true to compile the network on first use (default false)"}
LITE = RestorerSpec(
    id="gpen-lite",
    target="bfrbench_gpen.restorers:Lite",
    summary="A small GPEN at 128 px, in the package: for demonstrations.",
    licence="Apache-2.0; trained on LFW, whose photographs are for research",
    trained_on=("lfw128:train", "studio-train"),
    size=128,
    options=alpha_option(0.7) | COMPILE,
    weights=("gpen-lite",),
    precisions=("float32", "bfloat16", "float16"),
    points=POINTS,
    loss_networks=("squeezenet1.1-keras",),
    citation=CITATION,
)


def _spec(
    name: str, target: str, summary: str, *, size: int | None = None, weights: str = "", samples: bool = False
) -> RestorerSpec:
    argument: Argument = "optional" if weights else "required"
    mixes = target == "Restoration"
    return RestorerSpec(
        id=name,
        target=f"bfrbench_gpen.restorers:{target}",
        summary=summary,
        licence=LICENCE,
        trained_on=("ffhq",) if weights else ("unknown",),
        size=size,
        argument=argument,
        argument_help=FILE + (f"; without it {weights} from the weight store" if weights else ""),
        options=(alpha_option() if mixes else {}) | COMPILE,
        points=POINTS if mixes else None,
        weights=(weights,) if weights else (),
        precisions=("float32", "bfloat16", "float16"),
        loss_networks=("arcface-ir-se50",) if weights else (),
        samples=samples,
        citation=CITATION,
    )


@hookimpl
def bfrbench_restorers() -> list[RestorerSpec]:
    faces = [
        _spec(
            f"gpen-{size}",
            "Restoration",
            f"GPEN at {size} px: a GAN prior embedded in a U-shaped network.",
            size=size,
            weights=f"gpen-bfr-{size}",
        )
        for size in (256, 512, 1024, 2048)
    ]
    small = [_spec(f"gpen-{size}", "Restoration", f"GPEN at {size} px, trained here.", size=size) for size in (64, 128)]
    return [
        *faces,
        *small,
        LITE,
        _spec("gpen", "Restoration", "A GPEN of any size or variant, read off its file."),
        _spec(
            "gpen-sr",
            "SuperResolution",
            "A GPEN whose output is larger than its input, repeatable by seed.",
            samples=True,
        ),
        _spec("gpen-colorization", "Colorization", "A GPEN of any size that colours grey faces."),
        _spec("gpen-seg2face", "SegmentationToFace", "A GPEN of any size from a painted label map to a face."),
        _spec(
            "gpen-colorization-1024",
            "Colorization",
            "GPEN that colours grey faces.",
            weights="gpen-colorization-1024",
        ),
        _spec(
            "gpen-inpainting-1024",
            "Inpainting",
            "GPEN that fills white strokes.",
            size=1024,
            weights="gpen-inpainting-1024",
        ),
        _spec(
            "gpen-seg2face-512",
            "SegmentationToFace",
            "GPEN from a painted label map to a face.",
            size=512,
            weights="gpen-seg2face-512",
        ),
    ]


@hookimpl
def bfrbench_training_recipes() -> list[TrainingRecipeSpec]:
    prior = recipe_specs("bfrbench_gpen", "recipes", "bfrbench.training.prior:Prior", ("gpen-prior",))
    pairs = ("gpen-finetune", "gpen-code", "gpen-colorize", "gpen-inpaint", "gpen-sr")
    maps = recipe_specs("bfrbench_gpen", "recipes", "bfrbench_gpen.seg2face:Seg2FaceTraining", ("gpen-seg2face",))
    return [*prior, *recipe_specs("bfrbench_gpen", "recipes", "bfrbench_gpen.training:GpenTraining", pairs), *maps]
