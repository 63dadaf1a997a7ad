"""From a reference to a data set: a card's id, a path, or a hub repository.

lfw-test                    a card's set, where the user registered it
lfw128:test                 one split of it
celeba-test:vqfr            its images with released low-quality partners: image = partner, gt = own image
studio-test                 rendered faces, always here
FOLDER | x.zip | x.tar | x.parquet
hf:owner/name[@revision][#split]
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

from bfrbench.data import archive, labels, table
from bfrbench.data.card import DataCard, Ids, card_of, cards
from bfrbench.data.imageset import ImageSet, ImageStream, Samples
from bfrbench.data.listing import Listed, listed, unique, walk
from bfrbench.data.released import released
from bfrbench.data.roots import partner_root, root_of
from bfrbench.errors import BfrbenchError, InputError, NotComparable, PluginError, UnknownName, UsageError
from bfrbench.plugins import PluginHost

_HUB = "hf:"
BESIDE = (labels.FILE, "manifest.parquet", "transforms.parquet")
"""Tables that lie beside images and hold none."""


@overload
def open_dataset(
    ref: str,
    *,
    streaming: Literal[False] = False,
    ids: Ids = "stem",
    columns: Mapping[str, str] | None = None,
    host: PluginHost | None = None,
) -> Samples: ...
@overload
def open_dataset(
    ref: str,
    *,
    streaming: Literal[True],
    ids: Ids = "stem",
    columns: Mapping[str, str] | None = None,
    host: PluginHost | None = None,
) -> ImageStream: ...
def open_dataset(
    ref: str,
    *,
    streaming: bool = False,
    ids: Ids = "stem",
    columns: Mapping[str, str] | None = None,
    host: PluginHost | None = None,
) -> Samples | ImageStream:
    """Open a data set by reference (see this module's first lines). Images are read when they are asked for.

    `ids` and `columns` are for sets without a card: whether file ids are stems or paths, and which columns of a
    table are ours (`{"id": "file"}`).
    """
    if ref.startswith(_HUB):
        data = table.hub(ref.removeprefix(_HUB), columns or {}, streaming=streaming)
        return _wrapped(ref, data, None, None)
    name, _, view = ref.partition(":")
    if card := card_of(ref):
        if name in card.rendered:
            return _rendered(card, name, view, streaming)
        if not (Path(ref).exists() and "/" in ref):
            return _carded(card, view, ref, streaming)
    path = Path(ref).expanduser()
    if not path.exists():
        _refuse_part_of_path(ref)
        return _plugged(ref, host or PluginHost(), streaming)
    return open_path(ref, path, None, ids, columns or {}, streaming=streaming)


def open_path(
    ref: str, path: Path, card: DataCard | None, ids: Ids, columns: Mapping[str, str], *, streaming: bool
) -> ImageSet | ImageStream:
    """Open a folder, an archive, a parquet file or a folder of them."""
    if tables := parquet_files(path):
        return _wrapped(ref, table.parquet(tables, columns, streaming=streaming), card, path)
    files = lister(path, ids)
    if streaming:
        stream = table.stream_files(partial(_unique, files, ids))
        return ImageStream(ref, stream, card)
    return _wrapped(ref, table.over_files(listed(files(), str(path), ids)), card, path)


def lister(path: Path, ids: Ids) -> Callable[[], Iterator[Listed]]:
    """What lists the images of a folder or archive."""
    if path.is_dir():
        return partial(walk, path, ids)
    if archive.is_archive(path):
        return partial(archive.members, path, ids)
    known = ", ".join((*archive.ARCHIVES, ".parquet"))
    raise InputError(f"{path} is neither a folder nor one of {known}", "give the place of a whole set")


def parquet_files(path: Path) -> list[Path]:
    """The parquet files that a path means: itself, or those of a folder that holds only such (beside labels)."""
    if path.suffix == ".parquet":
        return [path]
    return [] if not path.is_dir() else [p for p in sorted(path.glob("*.parquet")) if p.name not in BESIDE]


def _refuse_part_of_path(ref: str) -> None:
    """`FOLDER:split` is no reference: only cards have splits, so the folder is registered for its card."""
    place, _, view = ref.rpartition(":")
    folder = Path(place).expanduser()
    if not place or not folder.exists():
        return
    fitting = [
        card.id
        for card in cards().values()
        if view in card.splits and all(any(folder.glob(pattern)) for pattern in card.splits[view].files)
    ]
    name = fitting[0] if len(fitting) == 1 else "ID"
    remedy = f"run 'bfrbench datasets add {name} {place}' and give {name}:{view}"
    raise UsageError(f"{ref!r} asks for a part of a path, and only sets with a card have parts", remedy)


def _plugged(ref: str, host: PluginHost, streaming: bool) -> Samples:
    """A plugin's set: its target, called without arguments, gives the samples."""
    offers = host.datasets()
    if ref not in offers:
        known = [name for card in cards().values() for name in (card.rendered or (card.id,))]
        raise UnknownName("data set or path", ref, [*known, *offers])
    if streaming:
        raise UsageError(f"{ref!r} is a plugin's set and cannot stream", "open it without streaming")
    owned = offers[ref]
    module, _, attribute = owned.spec.target.partition(":")
    try:
        samples: Samples = getattr(importlib.import_module(module), attribute)()
    except BfrbenchError:
        raise
    except Exception as error:
        problem = f"data set {ref!r} of plugin {owned.plugin!r} cannot be made ({type(error).__name__}: {error})"
        raise PluginError(problem, f"see {owned.spec.target} in that plugin") from error
    return samples


def _carded(card: DataCard, view: str, ref: str, streaming: bool) -> Samples | ImageStream:
    if view and view not in card.views:
        raise UnknownName(f"split or low-quality partner of {card.id}", view, card.views)
    parts = [*(f"{card.id}:{name}" for name in card.splits), *card.rendered]
    if parts and not view:
        options = " or ".join(parts)
        raise UsageError(f"{card.id!r} has more than one part", f"choose {options}")
    if card.part_of:
        return _part_of(card, ref, streaming)
    root = root_of(card)
    if view in card.splits:
        tables = [path for pattern in card.splits[view].files for path in sorted(root.glob(pattern))]
        if not tables:
            wanted = ", ".join(card.splits[view].files)
            raise InputError(
                f"{root} has no file {wanted}", f"complete the set, or register where it lies: {card.by_hand}"
            )
        return _wrapped(ref, table.parquet(tables, card.columns, streaming=streaming), card, root)
    if card.partner(view):
        if streaming:
            raise UsageError(f"{ref!r} pairs two sets by id and cannot stream", "open it without streaming")
        return _given(card, view, ref, root)
    return open_path(ref, root, card, card.ids, card.columns, streaming=streaming)


def _rendered(card: DataCard, name: str, view: str, streaming: bool) -> Samples | ImageStream:
    """A set with nothing on disk, at a size."""
    from bfrbench import studio

    size = int(view) if view.isdecimal() else card.size
    if size is None or (view and not view.isdecimal()):
        raise UsageError(f"{view!r} is no size of {name}", f"write {name} or {name}:512")
    if not streaming:
        return studio.split(name, size=size)
    stream = table.named(studio.stream(name, size=size), {}, name)
    return ImageStream(name, stream, card)


def _part_of(card: DataCard, ref: str, streaming: bool) -> Samples | ImageStream:
    """The images of another card's set that are this one's."""
    assert card.part_of is not None and card.numbered is not None
    from bfrbench.data.roots import find_root

    own = find_root(card)
    if own is not None:
        return open_path(ref, own, card, card.ids, card.columns, streaming=streaming)
    whole = open_dataset(card.part_of)
    if missing := set(card.numbered.ids()) - set(whole.ids):
        problem = f"{card.part_of!r} lacks {len(missing)} images of {card.id!r} (first: {min(missing)})"
        raise InputError(problem, f"see 'bfrbench datasets verify {card.part_of}'")
    part = whole.select(card.numbered.ids())
    assert isinstance(part, ImageSet)
    return ImageSet(ref, part.hf, part.ids, card)


def _given(card: DataCard, view: str, ref: str, root: Path) -> ImageSet:
    """Low-quality partners with their ground truth, paired by id; anything unpaired is an error that names it."""
    partner = card.partner(view)
    assert partner is not None
    place = partner_root(card, view)
    truth = {file.id: file.locator for file in listed(lister(root, card.ids)(), str(root), card.ids)}
    found = listed(lister(place, card.ids)(), str(place), card.ids)
    files = [Listed(file.id.removesuffix(partner.suffix), file.locator) for file in found]
    alone = sorted(set(truth) - {file.id for file in files})
    extra = sorted({file.id for file in files} - set(truth))
    if alone or extra:
        counts = f"{len(alone)} images have no partner and {len(extra)} no ground truth (first: {(alone + extra)[0]})"
        raise NotComparable(f"{place} and {root} do not pair: {counts}", "complete them or register the right ones")
    return _as_set(ref, table.over_files(files, truth), card, root)


def _wrapped(ref: str, data: Any, card: DataCard | None, folder: Path | None) -> ImageSet | ImageStream:
    import datasets

    if isinstance(data, datasets.IterableDataset):
        return ImageStream(ref, data, card)
    return _as_set(ref, data, card, folder)


def _as_set(ref: str, data: Any, card: DataCard | None, folder: Path | None) -> ImageSet:
    ids = table.check_ids(data, ref)
    own = None
    if card is not None and card.labels and folder is not None:
        paths = (cell["path"] or "" for cell in data.data.column("image").to_pylist())
        own = released(card.labels, folder, list(zip(ids, paths, strict=True)))
    if (known := labels.joined(ref, folder, own)) is not None:
        data = labels.taken_up(data, known)
    return ImageSet(ref, data, ids, card)


def _unique(files: Callable[[], Iterator[Listed]], ids: Ids) -> Iterator[Listed]:
    return unique(files(), ids)
