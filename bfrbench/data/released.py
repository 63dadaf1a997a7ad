"""Labels that lie in the files a set is released with, in the layouts of their authors.

A card names its layout; where the files are not beside the images, the set simply has no such labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from bfrbench.data.card import Layout

_FIVE = ([36, 37, 38, 39, 40, 41], [42, 43, 44, 45, 46, 47], [30], [48], [54])
"""Eyes, nose and mouth corners among the 68 landmarks."""


def released(layout: Layout, root: Path, files: Sequence[tuple[str, str]]) -> pd.DataFrame | None:
    """What a set's own files say of its images, given as (id, path); None where there are no such files."""
    import pandas as pd

    rows = _LAYOUTS[layout](root, files)
    return pd.DataFrame(rows).set_index("id") if rows else None


def find_beside(root: Path, name: str) -> Path | None:
    """A label file in the set's folder, beside it, or in a folder Anno of either."""
    places = (root, root.parent, root / "Anno", root.parent / "Anno")
    return next((place / name for place in places if (place / name).is_file()), None)


def lines_of(path: Path, columns: int, *, heading: int = 0) -> list[list[str]]:
    """A text table with blanks between its columns; a line of another length is told by its number."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[heading:]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error})", "unpack it again") from error
    table = [(number, line.split()) for number, line in enumerate(lines, heading + 1) if line.strip()]
    for number, cells in table:
        if len(cells) != columns:
            raise InputError(f"line {number} of {path} has {len(cells)} columns, not {columns}", "unpack it again")
    return [cells for _, cells in table]


def _aflw2000(root: Path, files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """A .mat beside each image: Pose_Para (radians, 3DDFA's order) and 68 landmarks."""
    found = [(name, Path(path).with_suffix(".mat")) for name, path in files if "://" not in path]
    return [{"id": name, **_mat(path)} for name, path in found if path.is_file()]


def _mat(path: Path) -> dict[str, Any]:
    import scipy.io

    from bfrbench.faces.euler import pose_of_3ddfa

    try:
        data = scipy.io.loadmat(path, variable_names=["Pose_Para", "pt3d_68"])
        pitch, yaw, roll = (float(angle) for angle in data["Pose_Para"].ravel()[:3])
        marks = data["pt3d_68"][:2].T
        points = [float(value) for group in _FIVE for value in marks[group].mean(0)]
    except Exception as error:  # SciPy raises nearly anything on a damaged file
        raise InputError(f"{path} has no Pose_Para and pt3d_68 ({error})", "unpack the set again") from error
    pose = pose_of_3ddfa(pitch, yaw, roll)
    return {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll, "points": points}


def _celeba(root: Path, files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Identities and five points of the aligned images, each in a list of its own."""
    rows: dict[str, dict[str, Any]] = {}
    for name, person in _people(root).items():
        rows.setdefault(name, {})["identity"] = person
    if path := find_beside(root, "list_landmarks_align_celeba.txt"):
        for file, *numbers in lines_of(path, 11, heading=2):
            rows.setdefault(Path(file).stem, {})["points"] = _numbers(numbers, path)
    return [{"id": name, **rows[name]} for name, _ in files if name in rows]


def _celeba_hq(root: Path, files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Identities by way of CelebA's: a list says which of its images each one is."""
    people, path = _people(root), find_beside(root, "CelebA-HQ-to-CelebA-mapping.txt")
    if not people or path is None:
        return []
    origin = {index: Path(file).stem for index, _, file in lines_of(path, 3, heading=1)}
    known = [(name, origin.get(name, "")) for name, _ in files]
    return [{"id": name, "identity": people[before]} for name, before in known if before in people]


def _people(root: Path) -> dict[str, str]:
    path = find_beside(root, "identity_CelebA.txt")
    return {} if path is None else {Path(file).stem: person for file, person in lines_of(path, 2)}


def _numbers(cells: Sequence[str], path: Path) -> list[float]:
    try:
        return [float(cell) for cell in cells]
    except ValueError as error:
        raise InputError(f"{path} holds a coordinate that is no number ({error})", "unpack it again") from error


_LAYOUTS: dict[str, Callable[[Path, Sequence[tuple[str, str]]], list[dict[str, Any]]]] = {
    "aflw2000": _aflw2000,
    "celeba": _celeba,
    "celeba-hq": _celeba_hq,
}
