"""Photographs: real ones through the command line, with every kind of bad input beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bfrbench
from bfrbench.cli import main
from bfrbench.contracts import Batch
from bfrbench.errors import InputError, RestorerError, UsageError
from bfrbench.faces.detect import FaceDetector, load_detector
from bfrbench.imaging.read import read_image, read_picture
from bfrbench.imaging.write import write_image
from bfrbench.photo.background import Network, bicubic
from bfrbench.photo.files import plan, restore_files
from bfrbench.photo.restore import Choices, PhotoRestorer
from bfrbench.restorers import LoadedRestorer
from tests.shared_data import faces_hq, shared
from tests.shared_weights import shared_store

U8 = np.ndarray


class _Brighter:
    """Restores by adding a tenth: where a paste went is then plain to see."""

    def restore(self, batch: Batch) -> torch.Tensor:
        return (batch.lq + 0.1).clamp(0, 1)


class _Broken:
    def restore(self, batch: Batch) -> torch.Tensor:
        return torch.full_like(batch.lq, float("nan"))


def _with(restorer: object) -> LoadedRestorer:
    loaded = bfrbench.load_restorer("input")
    return LoadedRestorer("test", "test", loaded.context, restorer)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    return load_detector("yunet", shared_store("yunet", home=tmp_path_factory.mktemp("weights")))


@pytest.fixture
def photograph() -> Path:
    return shared("faces_wild", "wild_fa432389_whole.jpg")


@pytest.fixture
def home() -> None:
    """The test's own home, with the weights that the command line needs."""
    shared_store("yunet")


def _run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["restore", *map(str, arguments), "--detector", "yunet"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_doing_nothing_leaves_a_photograph_as_it_was(detector: FaceDetector, photograph: Path) -> None:
    image = read_image(photograph)
    result = PhotoRestorer(bfrbench.load_restorer("input"), detector)(image)
    assert result.faces >= 1
    assert np.abs(result.image.astype(int) - image).mean() < 0.5
    assert set(result.seconds) == {"detect", "background", "align", "restore", "mask", "paste"}


def test_alpha_mixes_and_only_the_centre_is_one_face(detector: FaceDetector) -> None:
    face = read_image(faces_hq(1)[0])[::2, ::2]
    image = np.concatenate([face, face, face], axis=1)
    every = PhotoRestorer(_with(_Brighter()), detector)(image)
    half = PhotoRestorer(_with(_Brighter()), detector, Choices(alpha=0.5))(image)
    one = PhotoRestorer(_with(_Brighter()), detector, Choices(only_center=True))(image)
    assert (every.faces, one.faces) == (3, 1)
    changed = one.image.astype(int) - image
    assert np.abs(changed[:, :200]).max() == 0
    assert changed[100:156, 356:412].mean() > 10
    gain = [(r.image.astype(int) - image)[100:156, 356:412].mean() for r in (half, every)]
    assert gain[0] / gain[1] == pytest.approx(0.5, abs=0.1)


def test_enlarging_puts_the_faces_where_they_belong(detector: FaceDetector, photograph: Path) -> None:
    image = read_image(photograph)
    result = PhotoRestorer(bfrbench.load_restorer("input"), detector, Choices(upscale=2))(image)
    assert result.image.shape == (image.shape[0] * 2, image.shape[1] * 2, 3)
    assert np.abs(result.image.astype(int) - bicubic(image, 2)).mean() < 1
    with pytest.raises(InputError, match="smaller --upscale"):
        PhotoRestorer(bfrbench.load_restorer("input"), detector, Choices(upscale=8))(
            np.zeros((3000, 3000, 3), np.uint8)
        )


def test_sixty_faces_and_a_cut_and_a_tiny_one_are_all_restored(detector: FaceDetector) -> None:
    faces = [read_image(path)[::8, ::8] for path in faces_hq(60)]
    rows = [np.concatenate(faces[i : i + 10], axis=1) for i in range(0, 60, 10)]
    crowd = np.concatenate(rows)
    result = PhotoRestorer(_with(_Brighter()), detector)(crowd)
    assert result.faces >= 54
    cut = read_image(faces_hq(1)[0])[:, 150:]
    result = PhotoRestorer(_with(_Brighter()), detector)(cut)
    assert result.faces == 1
    tiny = np.full((200, 200, 3), 120, np.uint8)
    tiny[80:120, 80:120] = np.asarray(Image.fromarray(read_image(faces_hq(1)[0])).resize((40, 40)))
    result = PhotoRestorer(_with(_Brighter()), detector)(tiny)
    assert result.faces == 1
    assert any("pixels: most of what is restored is invented" in note for note in result.notes)


def test_a_restorer_that_gives_nan_is_an_error(detector: FaceDetector, photograph: Path) -> None:
    with pytest.raises(RestorerError, match="not finite"):
        PhotoRestorer(_with(_Broken()), detector)(read_image(photograph))


def test_an_aligned_face_is_restored_whole(home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capsys, faces_hq(1)[0], "-o", tmp_path / "a.png", "--with", "input", "--aligned")
    assert code == 0
    assert "1 images with 1 faces" in out
    assert np.array_equal(read_image(tmp_path / "a.png"), read_image(faces_hq(1)[0]))
    write_image(tmp_path / "wide.png", np.zeros((40, 60, 3), np.uint8))
    code, _, err = _run(capsys, tmp_path / "wide.png", "-o", tmp_path / "b", "--with", "input", "--aligned")
    assert code == 2
    assert "an aligned face is square" in err


def test_bad_files_get_a_sentence_and_the_others_are_done(
    home: None, tmp_path: Path, photograph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(photograph.read_bytes())
    (folder / "cut.jpg").write_bytes(photograph.read_bytes()[:9000])
    (folder / "empty.png").touch()
    (folder / "named.png").write_bytes(photograph.read_bytes())
    write_image(folder / "sky.png", np.full((60, 80, 3), 200, np.uint8))
    code, out, err = _run(capsys, folder, "-o", tmp_path / "out", "--with", "bicubic", "--json")
    rows = {Path(row["source"]).name: row for row in json.loads(out)}
    assert code == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good.jpg", "sky.png"}
    assert rows["good.jpg"]["faces"] >= 1
    assert rows["good.jpg"]["error"] is None
    assert rows["sky.png"]["notes"][0] == "no face was found, and nothing was restored"
    assert "cut off" in rows["cut.jpg"]["error"]
    assert "is empty" in rows["empty.png"]["error"]
    assert "holds a JPEG image" in rows["named.png"]["error"]
    assert "Traceback" not in err


def test_an_error_that_nobody_foresaw_costs_its_own_photograph(tmp_path: Path) -> None:
    class Full:
        def __init__(self) -> None:
            self.asked = 0

        def restore(self, batch: Batch) -> torch.Tensor:
            self.asked += 1
            if self.asked == 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore words")
            return batch.lq

    for name in ("first.png", "second.png"):
        write_image(tmp_path / name, np.full((64, 64, 3), 90, np.uint8))
    pairs = [(tmp_path / name, tmp_path / "out" / name) for name in ("first.png", "second.png")]
    (tmp_path / "out").mkdir()
    first, second = restore_files(pairs, PhotoRestorer(_with(Full()), None))
    assert first.error.endswith("first.png: OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB")
    assert not second.error and second.target.is_file() and not first.target.exists()


def test_nothing_is_overwritten_without_force(
    home: None, tmp_path: Path, photograph: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out" / photograph.name
    target.parent.mkdir()
    target.write_bytes(b"precious")
    code, _, err = _run(capsys, photograph, "-o", target.parent, "--with", "input")
    assert (code, target.read_bytes()) == (2, b"precious")
    assert "add --force" in err
    code, _, _ = _run(capsys, photograph, "-o", target.parent, "--with", "input", "--force", "--compare")
    assert code == 0
    assert read_image(target).shape == read_image(photograph).shape
    beside = read_image(target.with_name(target.stem + "_compare.png"))
    assert beside.shape[1] > 2 * read_image(photograph).shape[1]
    code, _, err = _run(capsys, target, "-o", target.parent, "--with", "input", "--force")
    assert code == 2
    assert "overwritten by its own restoration" in err


def test_exif_profile_transparency_and_orientation_are_kept(
    home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = Image.fromarray(read_image(faces_hq(1)[0])[::2, ::2])
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    face.putalpha(200)
    profile = b"\0" * 16 + b"RGB " + b"\0" * 108
    face.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif, icc_profile=profile)
    code, _, _ = _run(capsys, tmp_path / "a.png", "-o", tmp_path / "out", "--with", "input", "--upscale", 2)
    picture = read_picture(tmp_path / "out" / "a.png")
    assert code == 0
    assert b"maker" in picture.exif
    assert picture.icc == profile
    assert picture.alpha is not None and picture.alpha.shape == (512, 512) and (picture.alpha == 200).all()
    upright = bicubic(np.asarray(face.convert("RGB")), 2)
    assert np.abs(picture.rgb.astype(int) - upright).mean() < 2


def test_a_grey_photograph_and_one_with_alpha_into_jpeg_are_explained(
    home: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = Image.fromarray(read_image(faces_hq(1)[0])[::2, ::2]).convert("L")
    face.putalpha(100)
    face.save(tmp_path / "a.png")
    code, _, err = _run(capsys, tmp_path / "a.png", "-o", tmp_path / "b.jpg", "--with", "input")
    assert code == 0
    assert "white was put behind" in err
    assert "the picture is grey" in err


def test_names_that_would_collide_stop_before_any_work(tmp_path: Path) -> None:
    for part in ("x", "y"):
        (tmp_path / part).mkdir()
        write_image(tmp_path / part / "a.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UsageError, match="would both be written"):
        plan([tmp_path / "x", tmp_path / "y"], tmp_path / "out")
    with pytest.raises(UsageError, match="is one file"):
        plan([tmp_path / "x", tmp_path / "y"], tmp_path / "out.png")
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="no image"):
        plan([tmp_path / "none"], tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--with", "nothing-here"], "no restorer named"),
        (["--with", "oracle"], "ground truth"),
        (["--with", "input", "--aligned", "--upscale", "2"], "--aligned takes neither"),
        (["--with", "input", "--mask", "parsenet"], "parsenet"),
        (["--with", "input", "--background", "missing.pth"], "missing.pth"),
        (["--with", "input", "--upscale", "9"], "--upscale"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_sentence(
    home: None,
    tmp_path: Path,
    photograph: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    code, _, err = _run(capsys, photograph, "-o", tmp_path / "out", *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_the_background_network_works_in_tiles_without_seams(tmp_path: Path, photograph: Path) -> None:
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

    torch.manual_seed(0)
    network = RRDBNet(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=2).eval()
    torch.save(network.state_dict(), tmp_path / "x2.pth")
    image = read_image(photograph)[:120, :150]
    whole = Network(tmp_path / "x2.pth", tile=512)(image, 2)
    tiled = Network(tmp_path / "x2.pth", tile=64)(image, 2)
    assert whole.shape == (240, 300, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 2
    assert Network(tmp_path / "x2.pth")(image, 3).shape == (360, 450, 3)
    with pytest.raises(UsageError, match="too small"):
        Network(tmp_path / "x2.pth", tile=8)
