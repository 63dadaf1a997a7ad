"""Labels in the files that come with a set, on made-up files of the same layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from bfrbench.data import labels, open_dataset
from bfrbench.data.pairs import cfp_pairs
from bfrbench.data.roots import register
from bfrbench.errors import InputError
from bfrbench.faces.euler import rotation_of
from tests.data.making import folder_of


def _mat(path: Path, pitch: float, yaw: float, roll: float) -> None:
    marks = np.zeros((3, 68))
    marks[:2] = np.arange(68) + np.array([[0], [100]])
    scipy.io.savemat(path, {"Pose_Para": np.array([[pitch, yaw, roll, 9, 9, 9, 1e-4]]), "pt3d_68": marks})


def test_aflw2000_has_the_poses_and_points_of_its_mat_files(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["image00002.png", "image00004.png", "image00006.png"])
    _mat(root / "image00002.mat", 0.3, -0.9, 0.2)
    _mat(root / "image00004.mat", 0, 0.5, 0)
    register("aflw2000-3d", root)
    data = open_dataset("aflw2000-3d")
    first, second = data["image00002"].pose, data["image00004"].pose
    assert first is not None and second is not None
    theirs = Rotation.from_euler("XYZ", [-0.3, 0.9, -0.2]).as_matrix()  # turned about the head's own axes
    assert np.allclose(rotation_of(first), theirs, atol=1e-6)
    assert (second.yaw, second.pitch, second.roll) == pytest.approx((-np.degrees(0.5), 0, 0))
    points = data["image00002"].points
    assert points is not None
    assert points.tolist() == [[38.5, 138.5], [44.5, 144.5], [30, 130], [48, 148], [54, 154]]
    assert data["image00006"].pose is None


def test_a_released_pose_wins_over_an_estimate_which_fills_what_it_leaves_open(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["a.png", "b.png"])
    _mat(root / "a.mat", 0, -0.5, 0)
    register("aflw2000-3d", root)
    estimated = pd.DataFrame({"id": ["a", "b"], "yaw": [1.0, 2.0], "pitch": [1.0, 2.0], "roll": [1.0, 2.0]})
    labels.write(labels.home_file("aflw2000-3d"), estimated)
    data = open_dataset("aflw2000-3d")
    a, b = data["a"].pose, data["b"].pose
    assert a is not None and a.yaw == pytest.approx(np.degrees(0.5))
    assert b is not None and b.yaw == 2.0


def test_a_damaged_mat_file_is_named(tmp_path: Path) -> None:
    root = folder_of(tmp_path, ["a.png"])
    (root / "a.mat").write_bytes(b"no matrix")
    register("aflw2000-3d", root)
    with pytest.raises(InputError, match=r"a\.mat has no Pose_Para"):
        open_dataset("aflw2000-3d")
    scipy.io.savemat(root / "a.mat", {"other": np.zeros(3)})
    with pytest.raises(InputError, match=r"a\.mat has no Pose_Para"):
        open_dataset("aflw2000-3d")


def _celeba_lists(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 2937\n000003.jpg 2880\n")
    header = "3\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y left_x left_y right_x right_y\n"
    rows = "".join(f"{n:06}.jpg  69  109  106  113   77  142   73  152  108  15{n}\n" for n in (1, 2, 3))
    (folder / "list_landmarks_align_celeba.txt").write_text(header + rows)


@pytest.mark.parametrize("beside", ["", "Anno"])
def test_celeba_has_the_identities_and_points_of_its_lists(tmp_path: Path, beside: str) -> None:
    _celeba_lists(tmp_path / beside)
    register("celeba", folder_of(tmp_path / "img_align_celeba", ["000001.png", "000002.png", "000003.png"]))
    data = open_dataset("celeba")
    assert [sample.identity for sample in data] == ["2880", "2937", "2880"]
    points = data["000002"].points
    assert points is not None
    assert points.tolist() == [[69, 109], [106, 113], [77, 142], [73, 152], [108, 152]]


def test_celeba_hq_has_the_identities_of_the_images_it_was_made_from(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "CelebA-HQ-img", ["0.png", "1.png", "10.png"])
    register("celeba-hq", root)
    mapping = tmp_path / "CelebA-HQ-to-CelebA-mapping.txt"
    mapping.write_text("idx orig_idx orig_file\n0 2 000003.jpg\n1 0 000001.jpg\n10 1 000002.jpg\n")
    assert [sample.identity for sample in open_dataset("celeba-hq")] == [None] * 3
    _celeba_lists(tmp_path)
    assert {s.id: s.identity for s in open_dataset("celeba-hq")} == {"0": "2880", "1": "2880", "10": "2937"}


def test_a_cut_list_is_told_with_its_line(tmp_path: Path) -> None:
    _celeba_lists(tmp_path)
    (tmp_path / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg\n")
    register("celeba", folder_of(tmp_path / "img", ["000001.png"]))
    with pytest.raises(InputError, match=r"line 2 of .*identity_CelebA.txt has 1 columns"):
        open_dataset("celeba")


def _cfp(root: Path) -> Path:
    for kind, pose in (("F", "frontal"), ("P", "profile")):
        lines = [f"{n}  ../Data/Images/00{n}/{pose}/01.jpg" for n in (1, 2, 3)]
        path = root / "Protocol" / f"Pair_list_{kind}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    for protocol in ("FF", "FP"):
        for fold in range(1, 11):
            split = root / "Protocol" / "Split" / protocol / f"{fold:02}"
            split.mkdir(parents=True)
            (split / "same.txt").write_text(f"{fold % 3 + 1},{fold % 3 + 1}\n")
            (split / "diff.txt").write_text("1,2\n3,1\n")
    names = [f"00{n}/{pose}/01.png" for n in (1, 2, 3) for pose in ("frontal", "profile")]
    return folder_of(root / "Data" / "Images", names)


def test_cfps_pairs_are_of_the_sets_ids_ten_folds_each_with_both_kinds(tmp_path: Path) -> None:
    root = _cfp(tmp_path)
    register("cfp-fp", root)
    data = open_dataset("cfp-fp")
    pairs = cfp_pairs(root)
    assert len(pairs) == 30 and {pair.fold for pair in pairs} == set(range(1, 11))
    for pair in pairs:
        assert "frontal" in pair.one and "profile" in pair.other
        assert (data[pair.one].identity == data[pair.other].identity) == pair.same
    assert all("frontal" in pair.one and "frontal" in pair.other for pair in cfp_pairs(root, "FF"))


def test_a_protocol_that_is_not_whole_is_told(tmp_path: Path) -> None:
    root = _cfp(tmp_path)
    fold = tmp_path / "Protocol" / "Split" / "FP" / "03"
    (fold / "diff.txt").write_text("1,2\n1,77\n")
    with pytest.raises(InputError, match=r"line 2 of .*diff.txt names no pair.*1,77"):
        cfp_pairs(root)
    (fold / "same.txt").unlink()
    with pytest.raises(InputError, match=r"same.txt is missing"):
        cfp_pairs(root)
    with pytest.raises(InputError, match="no folder Protocol"):
        cfp_pairs(folder_of(tmp_path / "x" / "y" / "z", ["a.png"]))
