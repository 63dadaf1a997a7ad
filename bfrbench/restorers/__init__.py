"""Restorers in use: from a reference to an object that restores, and the three that come with the core."""

from bfrbench.restorers.loading import LoadedRestorer, RestorerContext, load_restorer, split_ref

__all__ = ["LoadedRestorer", "RestorerContext", "load_restorer", "split_ref"]
