"""Data sets: cards of what they are, and samples from wherever they lie."""

from bfrbench.data.card import DataCard, cards, find_card
from bfrbench.data.imageset import ImageSet, ImageStream, Samples
from bfrbench.data.opening import open_dataset

__all__ = ["open_dataset", "Samples", "ImageSet", "ImageStream", "DataCard", "cards", "find_card"]
