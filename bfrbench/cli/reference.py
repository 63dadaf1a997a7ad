"""`bfrbench reference`: statistics that distribution metrics compare with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cyclopts

from bfrbench.cli.output import Json, print_json, print_table

if TYPE_CHECKING:
    from bfrbench.metrics import Protocol, ProtocolMetric
    from bfrbench.metrics.reference import Reference

app = cyclopts.App(name="reference", help="Build, import and show reference statistics for distribution metrics.")


@app.command
def build(
    folder: Path,
    /,
    *,
    out: Path | None = None,
    name: str | None = None,
    protocol: str = "bfrbench-v1",
    metric: str | None = None,
    keep_features: bool = False,
    batch: int = 16,
    device: str = "cpu",
    json: Json = False,
) -> None:
    """Make the statistics of a folder of images, as a metric of a protocol extracts features.

    Parameters
    ----------
    folder
        Folder of images.
    out
        The file, which ends in .safetensors; by default in the user's folder, where protocols find it by name.
    name
        The name; by default that of the file, else that of the folder.
    protocol
        The protocol whose features are taken.
    metric
        A metric of it that compares with a reference; by default the first.
    keep_features
        Keep every image's features: KID and coverage need them, and so does leave_out = "tested" of a protocol.
    batch
        Images at a time.
    device
        Where the network runs.
    """
    from bfrbench.metrics.folders import pair_folders
    from bfrbench.metrics.references import build_reference
    from bfrbench.progress import track

    _check_out(out)
    chosen, taker = _taker(protocol, metric)
    called = name or (out.stem if out else folder.name)
    pictures = pair_folders(folder, {})
    made = build_reference(
        track(pictures.batches(batch), "extracting", total=None, unit="batch"),
        taker,
        chosen,
        name=called,
        device=device,
        keep_features=keep_features,
        source=f"built from {len(pictures.ids)} images of {folder.name}",
    )
    _land(made, out, json)


@app.command(name="import")
def import_(
    file: Path, /, *, out: Path | None = None, name: str | None = None, protocol: str, metric: str, json: Json = False
) -> None:
    """Take over published statistics: pytorch-fid's .npz, or a .pth such as inception_FFHQ_512.pth.

    Such files do not say how their features were made: naming a protocol's metric here is your word for it.

    Parameters
    ----------
    file
        The published file.
    out
        The file to write, which ends in .safetensors; by default in the user's folder, where protocols find it by name.
    name
        The name; by default that of the file.
    protocol
        The protocol whose features it holds.
    metric
        The metric of it.
    """
    from bfrbench.metrics.references import read_reference

    _check_out(out)
    chosen, taker = _taker(protocol, metric)
    _land(read_reference(file, taker, chosen, name or file.stem), out, json)


@app.command
def show(reference: str, /, *, json: Json = False) -> None:
    """Show what a reference was made of, where it comes from and which metrics ask for it, after checking it.

    Parameters
    ----------
    reference
        The name that a protocol gives it, or a file that 'bfrbench reference build' or 'import' wrote.
    """
    from bfrbench.metrics.known_references import look_up

    found, path = look_up(reference)
    _print(found, path, json)


def _taker(protocol: str, metric: str | None) -> tuple[Protocol, ProtocolMetric]:
    from bfrbench.errors import UsageError
    from bfrbench.metrics import load_protocol

    chosen = load_protocol(protocol)
    takers = [one for one in chosen.metrics if one.kind.reference is not None]
    if metric is None and takers:
        return chosen, takers[0]
    if metric is not None and (named := chosen.metric(metric)) in takers:
        return chosen, named
    problem = f"protocol {chosen.name} has no metric that compares with a reference"
    if metric is not None:
        problem = f"{metric} of {chosen.name} compares with the ground truth of the images, not with a reference"
    raise UsageError(problem, _others(takers))


def _others(takers: list[ProtocolMetric]) -> str:
    """What can be taken instead."""
    from bfrbench.metrics import load_protocol, protocol_names

    if takers:
        return f"take --metric {' or '.join(one.name for one in takers)}"
    has = [name for name in protocol_names() if any(m.kind.reference is not None for m in load_protocol(name).metrics)]
    return f"take --protocol {', '.join(has)}, or one of your own that does"


def _check_out(out: Path | None) -> None:
    from bfrbench.metrics.references import check_suffix

    if out is not None:
        check_suffix(out)


def _land(reference: Reference, out: Path | None, json: bool) -> None:
    from bfrbench.metrics.references import folder

    path = out or folder() / f"{reference.name}.safetensors"
    reference.save(path)
    _print(reference, path, json)


def _print(reference: Reference, path: Path, json: bool) -> None:
    from bfrbench.metrics.known_references import takers

    kept: Any = "no" if reference.features is None else len(reference.features)
    facts: dict[str, Any] = {
        "file": str(path),
        "name": reference.name,
        "images": reference.n,
        "features kept": kept,
        "protocol": reference.protocol,
        "extractor": reference.extractor,
        "digest": reference.digest,
        "source": reference.source,
        "asked for by": takers(reference.name),
    }
    if json:
        print_json({key.replace(" ", "_"): value for key, value in facts.items()})
        return
    asked = "; ".join(f"{protocol}: {', '.join(names)}" for protocol, names in facts["asked for by"].items())
    shown = {key: "not published" if value is None else value for key, value in facts.items()}
    shown["asked for by"] = asked or "no protocol that is shipped"
    print_table(("key", "value"), shown.items())
