"""The plugin of the bridges: what it offers, as data."""

from __future__ import annotations

from bfrbench.hookspecs import hookimpl
from bfrbench.specs import RestorerSpec

THEIRS = "as the restorer behind it; the bridge itself is Apache-2.0"
UNKNOWN = ("unknown",)
"""A bridge cannot know what lies behind it was trained on; a board may say so by --trained-on."""


@hookimpl
def bfrbench_restorers() -> list[RestorerSpec]:
    return [
        RestorerSpec(
            id="folder",
            target="bfrbench_bridges.folder:FinishedFolder",
            summary="Finished results, read from a folder by image id.",
            licence=THEIRS,
            trained_on=UNKNOWN,
            argument="required",
            argument_help="the folder of restored images",
            options={"pattern": "how a result's path is made from its id (default {id}, any image extension)"},
            known_failures={
                "honours-sizes": "results have one size, which must be the board's",
            },
        ),
        RestorerSpec(
            id="command",
            target="bfrbench_bridges.command:Command",
            summary="An author's own program, run over a folder of images with {input} and {output} filled in.",
            licence=THEIRS,
            trained_on=UNKNOWN,
            argument="required",
            argument_help="the command line, with {input} and {output} where it takes its two folders",
            options={
                "timeout": "seconds that one batch may take (default 600)",
                "log": "file that the program's output is appended to (default: kept only when it fails)",
                "resize": "true to accept results of another size and resize them",
            },
            deterministic=False,
        ),
        RestorerSpec(
            id="spandrel",
            target="bfrbench_bridges.spandrel:Spandrel",
            summary="A checkpoint of any architecture that spandrel knows (GFPGAN, RestoreFormer, ESRGAN, ...).",
            licence=THEIRS,
            trained_on=UNKNOWN,
            argument="required",
            argument_help="the checkpoint file (.pth or .safetensors)",
            options={"size": "side that the network works at (default: the network's own, else the image's)"},
            precisions=("float32", "bfloat16", "float16"),
        ),
        RestorerSpec(
            id="onnx",
            target="bfrbench_bridges.onnx:Onnx",
            summary="An ONNX file, run by onnxruntime, with its conventions from FILE.toml or options.",
            licence=THEIRS,
            trained_on=UNKNOWN,
            argument="required",
            argument_help="the .onnx file",
            options={
                "range": "the network's value range: 0..1, -1..1 or 0..255",
                "channels": "rgb (default) or bgr",
                "size": "side that the network works at, where the file leaves it open",
            },
        ),
    ]
