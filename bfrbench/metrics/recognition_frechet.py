"""Fréchet distance between the face embeddings of restored images and those of their ground truth.

Its rows are identity's: one crop for both sides. It is not FID: the features are a recognition network's, and few.
"""

from __future__ import annotations

from bfrbench.metrics.fid import Clouds, FrechetDistance
from bfrbench.metrics.finaliser import Finaliser
from bfrbench.metrics.identity import IdentityChoices, IdentityKind

PAIR = (2, -1)
"""The shape of a row's feature: the restored face's embedding, and the true one's."""


class RecognitionFrechet(IdentityKind[IdentityChoices]):
    """The distance; embeddings have length one, so it is at most 4."""

    Choices = IdentityChoices

    @property
    def finaliser(self) -> Finaliser[Clouds]:
        return FrechetDistance(None, self.spec.id, PAIR)
