"""bfrbench: the benchmark toolkit for blind face restoration.

A restorer is a plugin; a benchmark is data; a result is a file that says everything it depends on.
Names are imported when they are first used, so that `import bfrbench` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    # writing a plugin
    "hookimpl": "bfrbench.hookspecs",
    "RestorerSpec": "bfrbench.specs",
    "DatasetSpec": "bfrbench.specs",
    "DegradationSpec": "bfrbench.specs",
    "MetricSpec": "bfrbench.specs",
    "TrainingRecipeSpec": "bfrbench.specs",
    "Batch": "bfrbench.contracts",
    "Pose": "bfrbench.contracts",
    "RestorerContext": "bfrbench.restorers",
    # using one
    "load_restorer": "bfrbench.restorers",
    "run": "bfrbench.bench.api",
    "score": "bfrbench.metrics.api",
    "load_scorecards": "bfrbench.bench.api",
    # what goes wrong
    "BfrbenchError": "bfrbench.errors",
    "UsageError": "bfrbench.errors",
    "UnknownName": "bfrbench.errors",
    "ConfigError": "bfrbench.errors",
    "PluginError": "bfrbench.errors",
    "InputError": "bfrbench.errors",
    "WeightsError": "bfrbench.errors",
    "RestorerError": "bfrbench.errors",
    "BadShape": "bfrbench.errors",
    "OutputError": "bfrbench.errors",
    "Diverged": "bfrbench.errors",
    "RegressionFound": "bfrbench.errors",
    "NotComparable": "bfrbench.errors",
    "TooLittleMeasured": "bfrbench.errors",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if home := _HOMES.get(name):
        return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module 'bfrbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
