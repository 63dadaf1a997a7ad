"""Labeled Faces in the Wild at 128 pixels, from the research data: pictures, points and verification pairs."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from tests.shared_data import shared


@cache
def table() -> pd.DataFrame:
    parts = [pd.read_parquet(path) for path in sorted(shared("lfw128").glob("*.parquet"))]
    return pd.concat(parts).set_index("id")


def picture(name: str) -> Tensor:
    """3×128×128 in [0, 1]."""
    data = table().loc[name, "image"]["bytes"]
    return torch.from_numpy(np.array(Image.open(io.BytesIO(data)).convert("RGB"))).permute(2, 0, 1).float() / 255


def points(name: str) -> np.ndarray:
    return np.stack(table().loc[name, "landmarks"]).astype(np.float32).reshape(5, 2)


def pairs(count: int | None = None) -> pd.DataFrame:
    """Verification pairs, as many of the same person as of two; shuffled with a fixed seed."""
    found = pd.read_csv(shared("lfw128", "pairs.csv")).sample(frac=1, random_state=0)
    return found if count is None else found.head(count)
