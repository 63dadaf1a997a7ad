"""Studio pictures as a Hugging Face stream: rendered in whatever worker reads them, without files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from bfrbench.studio.rendering import LIGHT
from bfrbench.studio.splits import PLANS, Split, split

if TYPE_CHECKING:
    import datasets


def stream(name: str, *, size: int = 256, limit: int | None = None, shards: int = 64) -> datasets.IterableDataset:
    """The set as an `IterableDataset` that loader workers share; studio-train never ends unless there is a `limit`."""
    import datasets

    whole = split(name, size=size, count=limit)
    endless = PLANS[name].endless and limit is None
    shards = shards if endless else min(shards, len(whole))
    gen_kwargs = {"whole": whole, "endless": endless, "step": shards, "starts": list(range(shards))}
    return datasets.IterableDataset.from_generator(_examples, features=features(), gen_kwargs=gen_kwargs)


def features() -> datasets.Features:
    """The columns of a stream."""
    import datasets

    number = datasets.Value("float32")
    return datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "identity": datasets.Value("string"),
            **dict.fromkeys(("yaw", "pitch", "roll"), number),
            "expression": datasets.Value("string"),
            "points": datasets.Array2D((5, 2), "float32"),
            "landmarks": datasets.Array2D((68, 2), "float32"),
            "parsing": datasets.Image(),
            "light": dict.fromkeys(LIGHT, number),
        }
    )


def _examples(whole: Split, endless: bool, step: int, starts: list[int]) -> Iterator[dict[str, Any]]:
    """Every `step`-th picture from each start; `datasets` deals the starts out to its workers."""
    indices = (start + turn * step for turn in count() for start in starts)
    if not endless:
        indices = (index for start in starts for index in range(start, len(whole), step))
    for index in indices:
        if endless and index >= len(whole):
            whole = split(whole.ref, size=whole.size, count=2 * index)
        yield example(whole, index)


def example(whole: Split, index: int) -> dict[str, Any]:
    """One picture as a row of `features`."""
    from PIL import Image

    shot = whole.shot(index)
    pictures = {"image": Image.fromarray(shot.image), "parsing": Image.fromarray(shot.parsing)}
    return {"id": whole.address(index).id, "identity": whole.person(index), **pictures, **shot.facts()}
