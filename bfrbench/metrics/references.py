"""Finding reference statistics by name, building them from a folder, and reading the formats that others publish."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bfrbench import places
from bfrbench.errors import InputError, NotComparable, TooLittleMeasured, UnknownName, UsageError
from bfrbench.metrics.frechet import Cloud
from bfrbench.metrics.inception import FEATURE, InceptionKind
from bfrbench.metrics.protocol import Protocol, ProtocolMetric
from bfrbench.metrics.reference import Reference, load_reference

if TYPE_CHECKING:
    from bfrbench.contracts import Scored
    from bfrbench.weights import WeightStore

SUFFIX = ".safetensors"
_ASYMMETRY = 1e-5
"""How far a published covariance may be from symmetric, of its largest entry: some are kept in float32."""


def folder() -> Path:
    """Where references lie that are found by name."""
    return places.home() / "references"


def open_reference(
    metric: ProtocolMetric,
    protocol: Protocol,
    store: WeightStore | None = None,
    given: Path | None = None,
    *,
    tested: Collection[str] = (),
    givable: bool = False,
) -> Reference | None:
    """The statistics that a metric compares with, or None where it needs none: `given`, else by the name it chose.

    A name is a file of `folder()` or a weight card of published statistics. Where the images under test are left out,
    one of which nothing would be left without those that are `tested` is refused. Callers whom a file can be `given`
    say so, for the remedy.
    """
    from bfrbench.weights import WeightStore

    name = metric.kind.reference
    if name is None:
        return None
    store = store or WeightStore()
    if given is not None:
        found = read_reference(given, metric, protocol, given.stem)
    elif place(name).is_file():
        found = load_reference(place(name))
    elif name in store.cards:
        found = read_reference(store.path(name), metric, protocol, name)
    else:
        raise UnknownName("reference", name, names(), remedy(metric, protocol, name, givable=givable))
    found.check(metric.extractor, metric.name)
    _check_features(found, metric, protocol, given)
    if tested and metric.kind.leaves_out_tested:
        found.check_without(tested)
    return found


def counted(metric: ProtocolMetric, reference: Reference, tested: Collection[str]) -> Reference:
    """What of a reference counts when these images are under test: all of it, or the images that are not tested."""
    return reference.without(tested) if metric.kind.leaves_out_tested else reference


def place(name: str) -> Path:
    """Where the reference of that name lies, if it was built or imported here."""
    return folder() / f"{name}{SUFFIX}"


def names() -> list[str]:
    """The references that can be found by name here."""
    return sorted(path.stem for path in folder().glob(f"*{SUFFIX}"))


def check_suffix(path: Path) -> None:
    """A file under another name would be written as ours and read as somebody else's."""
    if path.suffix != SUFFIX:
        problem = f"{path} does not end in {SUFFIX}, by which a reference's file is known"
        raise UsageError(problem, f"write it to {path.parent / (path.stem or 'reference')}{SUFFIX}")


def remedy(metric: ProtocolMetric, protocol: Protocol, name: str, *, givable: bool = False) -> str:
    """How to get a reference that is not here."""
    others = (one.kind for one in protocol.metrics if one.kind.reference == name)
    command = _build(metric, protocol, any(kind.reference_features for kind in others), f"--name {name}")
    give = f", give a file with --reference {metric.name}=FILE," if givable else ""
    return f"make it with '{command}'{give} or leave {metric.name} out"


def _build(metric: ProtocolMetric, protocol: Protocol, features: bool, where: str) -> str:
    keep = " --keep-features" if features else ""
    return f"bfrbench reference build FOLDER{keep} --protocol {protocol.name} --metric {metric.name} {where}"


def _check_features(found: Reference, metric: ProtocolMetric, protocol: Protocol, given: Path | None) -> None:
    """Before anything is restored: a number that cannot be had is no news for the end of a run."""
    if not metric.kind.reference_features or (found.features is not None and found.ids):
        return
    what = "leaves the images under test out of" if metric.kind.leaves_out_tested else "compares with every image of"
    where = f"--name {metric.kind.reference}" if given is None else f"--out {given.with_suffix(SUFFIX)}"
    raise InputError(
        f"{metric.name} {what} the reference {found.name}, which kept no features of its images",
        f"make it with '{_build(metric, protocol, True, where)}', or leave {metric.name} out",
    )


def read_reference(path: Path, metric: ProtocolMetric, protocol: Protocol, name: str) -> Reference:
    """Our own file, pytorch-fid's .npz, or a .pth with mean and covariance as BasicSR and VQFR hand them on.

    The published formats do not say how their features were made: that they were made as `metric` makes them is
    the word of whoever names them here.
    """
    if not path.is_file():
        raise InputError(f"there is no reference file {path}", "check the path")
    if path.suffix == SUFFIX:
        return load_reference(path)
    if path.suffix == ".npz":
        from bfrbench.weights.arrays import read_npz

        tables: Any = read_npz(path)
        pairs = [("mu", "sigma")]
    else:
        from bfrbench.weights.reading import read_torch

        tables, pairs = read_torch(path, numpy=True), [("mean", "cov"), ("mu", "sigma")]
    if not isinstance(tables, dict):
        raise InputError(f"{path} is no table of statistics", "give a file with mean and cov, or mu and sigma")
    for mean, covariance in pairs:
        if mean in tables and covariance in tables:
            return _published(path, tables[mean], tables[covariance], metric, protocol, name)
    wanted = " or ".join(f"{a} and {b}" for a, b in pairs)
    raise InputError(f"{path} holds {', '.join(map(str, list(tables)[:6]))}", f"a statistics file has {wanted}")


def _published(
    path: Path, mean: Any, covariance: Any, metric: ProtocolMetric, protocol: Protocol, name: str
) -> Reference:
    m, c = (np.asarray(table, dtype=np.float64) for table in (mean, covariance))
    if m.ndim != 1 or c.shape != (len(m), len(m)) or not (np.isfinite(m).all() and np.isfinite(c).all()):
        raise InputError(
            f"{path} holds a mean of shape {m.shape} and a covariance of {c.shape}, or numbers that are not finite",
            "get the file again",
        )
    if len(m) != FEATURE[1]:
        problem = f"{path} has {len(m)} features an image and {metric.name} has {FEATURE[1]}"
        raise NotComparable(problem, "give statistics of Inception's pooled features")
    if np.abs(c - c.T).max() > _ASYMMETRY * np.abs(c).max() or c.diagonal().min() < 0:
        raise InputError(f"the covariance in {path} is none: not symmetric, or less than 0", "get the file again")
    source = f"imported from {path.name}; the number of its images is not published"
    return Reference(name, metric.extractor, protocol.name, None, m, c, source=source)


def build_reference(
    batches: Iterable[Scored],
    metric: ProtocolMetric,
    protocol: Protocol,
    *,
    name: str,
    store: WeightStore | None = None,
    device: str = "cpu",
    keep_features: bool = False,
    source: str = "",
) -> Reference:
    """Statistics of the images in `restored` of each batch, by the metric's own extractor."""
    from bfrbench.metrics.scorer import Scorer

    if not isinstance(metric.kind, InceptionKind):
        raise UsageError(f"{metric.name} compares with no reference", "name a metric that does, such as fid")
    scorer = Scorer(protocol.only([metric.name]), device, store, available=())
    cloud, ids, kept = Cloud(), [], []
    for batch in batches:
        rows = scorer.rows(batch)[metric.name]
        for row in rows:
            if row.feature is None:
                raise InputError(f"{row.id} gives no features ({row.status})", "leave that image out")
        features = np.stack([row.feature[0] for row in rows if row.feature is not None])
        cloud = cloud.add(features)
        ids += list(batch.ids)
        if keep_features:
            kept.append(features)
    if cloud.n < 2:
        raise TooLittleMeasured("a reference needs two images or more", "give a folder of images")
    gaussian = cloud.gaussian
    features_kept = np.concatenate(kept) if keep_features else None
    return Reference(
        name,
        metric.extractor,
        protocol.name,
        cloud.n,
        gaussian.mean,
        np.ascontiguousarray(gaussian.covariance),
        tuple(ids),
        features_kept,
        source,
    )


def parse_given(references: Iterable[str] | None) -> dict[str, Path]:
    """METRIC=FILE as the command line gives them."""
    given: dict[str, Path] = {}
    for one in references or []:
        name, equals, path = one.partition("=")
        if not equals or not path:
            raise UsageError(f"--reference {one!r} is not METRIC=FILE", "write for example fid-ffhq=ffhq.safetensors")
        given[name] = Path(path)
    return given
