"""References, options and sizes: from `id:argument` to a restored image."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import bfrbench
from bfrbench.errors import BadShape, UnknownName, UsageError
from bfrbench.imaging.convert import from_tensor, quantise, to_tensor
from bfrbench.restorers import LoadedRestorer, RestorerContext, split_ref
from bfrbench.restorers.options import parse_options


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("gpen-512", ("gpen-512", None)),
        ("gpen-512:a/b.pth", ("gpen-512", "a/b.pth")),
        ("folder:C:/results", ("folder", "C:/results")),
        ("command:run {input}", ("command", "run {input}")),
        ("folder:", ("folder", "")),
    ],
)
def test_a_reference_splits_at_the_first_colon(ref: str, parts: tuple[str, str | None]) -> None:
    assert split_ref(ref) == parts


def test_a_restorer_gets_its_own_size_and_the_caller_gets_his() -> None:
    seen = []

    class Fixed:
        def restore(self, batch: bfrbench.Batch) -> torch.Tensor:
            seen.append(tuple(batch.lq.shape))
            return batch.lq.clone()

    spec = bfrbench.RestorerSpec(id="fixed", target="x:Y", summary="s", licence="MIT", trained_on=(), size=32)
    loaded = LoadedRestorer("fixed", "test", RestorerContext(spec), Fixed())
    out = loaded.restore(bfrbench.Batch(("a",), torch.rand(1, 3, 48, 40), (0,)))
    assert (seen, tuple(out.shape)) == ([(1, 3, 32, 32)], (1, 3, 48, 40))


def test_an_answer_of_another_shape_is_refused_by_name() -> None:
    class Wrong:
        def restore(self, batch: bfrbench.Batch) -> torch.Tensor:
            return batch.lq[:, :1]

    spec = bfrbench.RestorerSpec(id="wrong", target="x:Y", summary="s", licence="MIT", trained_on=())
    loaded = LoadedRestorer("wrong", "test", RestorerContext(spec), Wrong())
    with pytest.raises(BadShape, match=r"wrong returned shape \(1, 1, 8, 8\)"):
        loaded.restore(bfrbench.Batch(("a",), torch.rand(1, 3, 8, 8), (0,)))


@pytest.mark.parametrize(
    ("ref", "options", "words"),
    [
        ("bicubic:x", {}, "takes no argument"),
        ("folder", {}, "needs the folder of restored images"),
        ("folder:", {}, "needs the folder"),
        ("bicubic", {"precision": "float16"}, "choose float32"),
        ("bicubic", {"factor": 0.5}, "at least 1"),
    ],
)
def test_a_reference_that_makes_no_sense_says_why(ref: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bfrbench.load_restorer(ref, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((64, 64, 3)), "ndarray of float64"),
        (np.zeros((64, 64, 3), np.uint16), "of uint16"),
        (np.zeros((3, 64, 64), np.uint8), "shape (3, 64, 64)"),
        (np.zeros((64, 64), np.uint8), "shape (64, 64)"),
        (torch.zeros(64, 64, 3), "Tensor of torch.float32"),
        ([[1, 2, 3]], "given a list"),
    ],
)
def test_what_is_no_image_is_refused_and_not_restored(image: object, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        bfrbench.load_restorer("bicubic")(image)  # type: ignore[arg-type]


def test_a_misspelt_option_is_not_swallowed() -> None:
    with pytest.raises(UnknownName, match="did you mean factor"):
        bfrbench.load_restorer("bicubic", facotr=2)


def test_weights_given_twice_are_refused() -> None:
    with pytest.raises(UsageError, match="too"):
        bfrbench.load_restorer("folder:a", weights="b")


def test_options_of_a_command_line_are_names_and_values() -> None:
    assert parse_options(["factor=4", "pattern={id}=x"]) == {"factor": "4", "pattern": "{id}=x"}
    for wrong in (["factor"], ["=4"], ["a=1", "a=2"]):
        with pytest.raises(UsageError):
            parse_options(wrong)


def test_the_oracle_gives_the_truth_and_the_others_never_see_it() -> None:
    lq, gt = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    batch = bfrbench.Batch(("a",), lq, (0,), gt=gt)
    assert torch.equal(bfrbench.load_restorer("oracle").restore(batch), gt)
    with pytest.raises(UsageError, match="ground truth"):
        bfrbench.load_restorer("bicubic").restore(batch)


@given(st.integers(0, 255))
def test_every_level_survives_the_way_through_a_tensor(level: int) -> None:
    image = np.full((2, 3, 3), level, np.uint8)
    assert np.array_equal(from_tensor(to_tensor(image)), image)


def test_quantising_rounds_and_never_truncates() -> None:
    values = torch.tensor([-0.2, 0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0, 1.7])
    assert quantise(values).tolist() == [0, 0, 0, 1, 255, 255, 255]


def test_the_bicubic_floor_is_pillows_bicubic() -> None:
    """Down and up with Pillow's own filter, channel by channel in float, on a real photograph."""
    from PIL import Image
    from skimage.data import astronaut

    photo = astronaut()[:256, 128:384]

    def pillow(channel: np.ndarray, size: int) -> np.ndarray:
        return np.asarray(Image.fromarray(channel, mode="F").resize((size, size), Image.Resampling.BICUBIC))

    wanted = np.stack([pillow(pillow(photo[..., c].astype(np.float32), 128), 256) for c in range(3)], -1)
    ours = bfrbench.load_restorer("bicubic")(photo).astype(np.float32)
    assert np.abs(ours - wanted.clip(0, 255)).max() <= 0.51
