"""A run goes on where it stopped, shares its folder, and believes nothing that was altered."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bfrbench.bench import depends, scorecard
from bfrbench.bench import manifest as manifests
from bfrbench.bench.checking import read_rows, scorecard_problems
from bfrbench.bench.comparing import check_comparable
from bfrbench.bench.journal import Journal
from bfrbench.bench.plan import Plan, make_plan
from bfrbench.bench.run import execute
from bfrbench.bench.scorecard import Scorecard
from bfrbench.bench.settings import Settings
from bfrbench.contracts import Batch, Sample
from bfrbench.errors import NotComparable, OutputError, UsageError, WeightsError
from bfrbench.restorers import LoadedRestorer, load_restorer
from tests.bench.noise import Noise, noise_stage

COUNT = 30  # 3 shards of 12, 12 and 6; batches of 4


def plan_of(folder: Path, restorer: object = "bicubic", count: int = COUNT, **settings: object) -> Plan:
    stage = noise_stage(count, metrics=("psnr", "probe-level"))
    return make_plan(restorer, stage, Settings(out=folder, **settings))  # type: ignore[arg-type]


def run(folder: Path, restorer: object = "bicubic", count: int = COUNT, **settings: object) -> Scorecard:
    return execute(plan_of(folder, restorer, count, **settings))


class Counting:
    """Bicubic that remembers what it was asked for, and can be told to interrupt."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.inner: LoadedRestorer = load_restorer("bicubic")
        self.asked: list[str] = []
        self.stops = [] if stop_after is None else [stop_after]  # a note, which makes no other restorer of it

    def restore(self, batch: Batch) -> object:
        self.asked += batch.ids
        if self.stops and len(self.asked) >= self.stops[0]:
            self.stops.clear()  # once: a second one would mean to stop at once
            os.kill(os.getpid(), 2)
        return self.inner.restore(batch)


def test_the_scorecard_says_what_the_rows_say(tmp_path: Path) -> None:
    card = run(tmp_path / "run", "input")
    errors = []
    for image_id in Noise(COUNT).ids:
        sample = Noise(COUNT)[image_id]
        assert sample.gt is not None
        errors.append(-10 * np.log10(np.mean((sample.image / 255 - sample.gt / 255) ** 2)))
    psnr = card.results.metrics["psnr"]
    assert psnr.value == pytest.approx(np.mean(errors), rel=1e-6)
    assert psnr.low is not None and psnr.high is not None and psnr.low < psnr.value < psnr.high
    assert psnr.n == COUNT and card.results.status == "complete"
    assert scorecard_problems(tmp_path / "run")[1] == []


def test_readers_share_the_images_of_a_batch(tmp_path: Path) -> None:
    meeting = threading.Barrier(2)

    class Met(Noise):
        """The first two images are read at the same time, or not at all."""

        def __getitem__(self, image_id: str) -> Sample:
            if image_id in self.ids[:2]:
                meeting.wait(10)
            return super().__getitem__(image_id)

    stage = replace(noise_stage(COUNT, metrics=("psnr",)), dataset=Met(COUNT))
    card = execute(make_plan("input", stage, Settings(out=tmp_path / "run", readers=2)))
    assert card.results.status == "complete"


def test_a_finished_run_is_not_done_again(tmp_path: Path) -> None:
    restorer = Counting()
    first = execute(plan_of(tmp_path / "run", restorer))
    asked = len(restorer.asked)
    assert execute(plan_of(tmp_path / "run", restorer)).results_digest == first.results_digest
    assert (asked, len(restorer.asked)) == (COUNT, COUNT)


def test_ctrl_c_finishes_the_batch_and_loses_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = execute(plan_of(tmp_path / "whole", Counting()))
    interrupted = Counting(stop_after=16)
    with pytest.raises(KeyboardInterrupt):
        execute(plan_of(tmp_path / "run", interrupted))
    said = capsys.readouterr().err
    assert "finishing the batch" in said and "images have landed" in said
    assert 16 <= len(interrupted.asked) < COUNT
    resumed = Counting()
    card = execute(plan_of(tmp_path / "run", resumed))
    assert card.results_digest == whole.results_digest
    assert sorted(interrupted.asked + resumed.asked) == list(Noise(COUNT).ids), "each image once"


@pytest.mark.parametrize("damage", ["cut", "flipped", "swapped"])
def test_a_damaged_shard_is_found_said_and_computed_again(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = run(tmp_path / "run")
    shards = sorted((tmp_path / "run" / "rows").glob("*.parquet"))
    data = bytearray(shards[1].read_bytes())
    if damage == "cut":
        shards[1].write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 3] ^= 4
        shards[1].write_bytes(data)
    else:
        shards[1].write_bytes(shards[0].read_bytes())
    again = run(tmp_path / "run")
    assert "shard-00001 is damaged" in capsys.readouterr().err
    assert again.results_digest == before.results_digest
    assert (tmp_path / "run" / "rows" / "shard-00001.damaged").exists()


def test_an_altered_scorecard_is_refused_and_made_anew_from_the_rows(tmp_path: Path) -> None:
    before = run(tmp_path / "run")
    path = tmp_path / "run" / "scorecard.json"
    data = json.loads(path.read_text())
    data["results"]["metrics"]["psnr"]["value"] += 1
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match="altered"):
        scorecard.read(path)
    assert run(tmp_path / "run").results_digest == before.results_digest


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"batch": 5}, "batch: 4 there, 5 here"), ({"limit": 7}, "images: 30 there, 7 here"), ({"sample": 1}, "sample")],
)
def test_another_run_in_the_folder_is_refused_by_what_differs(
    changes: dict[str, object], named: str, tmp_path: Path
) -> None:
    run(tmp_path / "run")
    with pytest.raises(UsageError, match=named):
        run(tmp_path / "run", **changes)


class Darker:
    """A restorer of the caller's own, with a number and a network."""

    def __init__(self, factor: float) -> None:
        self.factor, self.network = factor, torch.nn.Conv2d(3, 3, 1)
        torch.nn.init.eye_(self.network.weight.data[:, :, 0, 0])
        self.seen: list[str] = []

    def restore(self, batch: Batch) -> torch.Tensor:
        self.seen += batch.ids
        return batch.lq * self.factor


def test_a_restorer_of_the_callers_own_that_changed_is_another_run(tmp_path: Path) -> None:
    torch.manual_seed(0)
    first = Darker(1.0)
    run(tmp_path, first)
    assert run(tmp_path, first).results.images == COUNT  # what it noted meanwhile is no change
    with pytest.raises(UsageError, match=r"holds another run \(.*state"):
        run(tmp_path, Darker(0.5))
    with torch.no_grad():
        first.network.weight += 1
    with pytest.raises(UsageError, match="holds another run"):
        run(tmp_path, first)


def test_a_program_that_changed_is_another_run(tmp_path: Path) -> None:
    program = tmp_path / "infer.sh"
    program.write_text('cp "$1"/* "$2"/')
    ref = f"command:sh {program} {{input}} {{output}}"
    run(tmp_path / "run", ref, count=4)
    program.write_text('cp -r "$1"/* "$2"/')
    with pytest.raises(UsageError, match=r"holds another run \(.*infer.sh"):
        run(tmp_path / "run", ref, count=4)


def test_a_program_with_a_weights_option_or_a_very_long_line_is_known_by_its_files(tmp_path: Path) -> None:
    weights = tmp_path / "net.pth"
    weights.write_bytes(b"one")
    many = " ".join(f"--option-{number}=some/folder/{number}" for number in range(40))
    ref = f"command:sh -c 'cp {{input}}/* {{output}}/' --ckpt={weights} {many}"
    run(tmp_path / "run", ref, count=4)
    weights.write_bytes(b"two")
    with pytest.raises(UsageError, match=r"holds another run \(.*net.pth"):
        run(tmp_path / "run", ref, count=4)


def test_a_restorer_that_was_made_with_options_is_recorded_with_them(tmp_path: Path) -> None:
    plain, coarse = (run(tmp_path / name, made, count=4) for name, made in (("a", "bicubic"), ("b", eighth())))
    assert coarse.results.restorer.options == {"factor": 8} and plain.results.restorer.options == {}
    assert coarse.results.metrics["psnr"].value != plain.results.metrics["psnr"].value
    assert run(tmp_path / "c", "bicubic", count=4, options={"factor": 8}).results_digest == coarse.results_digest
    with pytest.raises(UsageError, match=r"was made with .*8.*asks for .*4"):
        run(tmp_path / "d", eighth(), count=4, options={"factor": 4})


def test_the_tensors_that_an_onnx_file_keeps_beside_itself_are_known(tmp_path: Path) -> None:
    path, spec = tmp_path / "net.onnx", load_restorer("bicubic").spec
    helper = onnx.helper
    info = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    found = []
    for weight in (0.1, 0.2):
        tensor = onnx.numpy_helper.from_array(np.full(1, weight, np.float32), "w")
        node = helper.make_node("Mul", ["x", "w"], ["y"])
        model = helper.make_model(helper.make_graph([node], "g", info[:1], info[1:], [tensor]))
        (tmp_path / "net.bin").unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location="net.bin", size_threshold=0)
        found.append(depends.on(spec, str(path), "other", None))
    assert found[0]["argument"] == found[1]["argument"] and found[0]["net.bin"] != found[1]["net.bin"]


def eighth() -> LoadedRestorer:
    return load_restorer("bicubic", factor=8)


def test_rows_of_other_code_do_not_mix_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "run")
    changed = depends.source_of
    monkeypatch.setattr(depends, "source_of", lambda *words: {**changed(*words), "bfrbench": "edited"})
    with pytest.raises(UsageError, match=r"source\.bfrbench: .* there, 'edited' here"):
        run(tmp_path / "run")


def test_the_number_of_threads_is_the_runs_and_not_the_machines(tmp_path: Path) -> None:
    first = run(tmp_path / "run", threads=3)
    assert run(tmp_path / "run").results_digest == first.results_digest  # joined by a machine of other cores
    with pytest.raises(UsageError, match="threads: 3 there, 2 here"):
        run(tmp_path / "run", threads=2)


def test_a_shard_that_was_done_and_could_not_land_lands_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(journal: Journal, shard: object, table: object) -> None:
        raise OutputError("the run cannot write (stale handle)", "look at that folder")

    with monkeypatch.context() as broken:
        broken.setattr(Journal, "land", stale)
        with pytest.raises(OutputError, match="stale"):
            run(tmp_path / "run", count=8, shard=4, batch=4)
    assert list((tmp_path / "run" / "open").glob("*.parquet"))
    card = run(tmp_path / "run", count=8, shard=4, batch=4)
    assert card.results_digest == run(tmp_path / "whole", count=8, shard=4, batch=4).results_digest


@pytest.mark.parametrize(("low", "high", "told"), [(-1, 1, "from -1"), (0, 255, "to 2"), (0, 1.05, "")])
def test_answers_in_another_range_are_told(low: float, high: float, told: str, tmp_path: Path) -> None:
    class Ranged:
        def restore(self, batch: Batch) -> torch.Tensor:
            return batch.lq * (high - low) + low

    notes = run(tmp_path / "run", Ranged(), count=4).observed.notes
    assert bool(notes) == bool(told)
    assert all(told in note and "clipped to [0, 1]" in note and "another range" in note for note in notes)


def test_a_run_that_cannot_start_takes_no_folder(tmp_path: Path) -> None:
    stage = noise_stage(4, metrics=("lpips-alex",), protocol="bfrbench-v1")
    with pytest.raises(WeightsError, match="lpips-alex"):
        execute(make_plan("bicubic", stage, Settings(out=tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_the_files_that_metrics_measure_with_are_part_of_a_run(tmp_path: Path) -> None:
    stage = noise_stage(4, metrics=("ids-lite",), protocol="lite", size=128)
    card = execute(make_plan("bicubic", stage, Settings(out=tmp_path / "run")))
    assert list(card.provenance.weights) == ["lite-metrics"]
    manifest = tmp_path / "run" / "manifest.json"
    data = json.loads(manifest.read_text())
    data["choices"]["metric_weights"]["lite-metrics"] = "0" * 64
    manifest.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"metric_weights\.lite-metrics: '000"):
        execute(make_plan("bicubic", stage, Settings(out=tmp_path / "run")))
    other = card.provenance.model_copy(update={"weights": {"lite-metrics": "0" * 64}})
    with pytest.raises(NotComparable, match="measured with other files of lite-metrics"):
        check_comparable(card, card.model_copy(update={"provenance": other}))


def test_another_version_of_a_library_does_not_mix_in(tmp_path: Path) -> None:
    run(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    data = json.loads(path.read_text())
    data["choices"]["versions"]["torch"] = "1.0"
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=r"versions\.torch: '1\.0' there"):
        run(tmp_path / "run")


def test_a_limit_makes_the_result_partial(tmp_path: Path) -> None:
    card = run(tmp_path / "run", limit=7)
    assert (card.results.status, card.results.images, card.results.total) == ("partial", 7, COUNT)


def test_stages_one_after_the_other_give_the_same_results(tmp_path: Path) -> None:
    overlapped = run(tmp_path / "a")
    apart = run(tmp_path / "b", readers=0)
    assert overlapped.results_digest == apart.results_digest


def test_two_runs_in_one_folder_share_the_work(tmp_path: Path) -> None:
    whole = execute(plan_of(tmp_path / "whole", Counting(), 60))
    restorers, cards = [Counting(), Counting()], []
    plans = [plan_of(tmp_path / "run", one, 60) for one in restorers]
    threads = [threading.Thread(target=lambda plan=plan: cards.append(execute(plan))) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {card.results_digest for card in cards} == {whole.results_digest}
    assert sorted(restorers[0].asked + restorers[1].asked) == list(Noise(60).ids), "each image once"


def test_saved_images_are_what_was_scored(tmp_path: Path) -> None:
    from bfrbench.imaging.read import read_image

    run(tmp_path / "run", "input", count=5, save_images=True)
    for image_id in Noise(5).ids:
        saved = read_image(tmp_path / "run" / "images" / f"{image_id}.png")
        assert np.array_equal(saved, Noise(5)[image_id].image)


def test_rows_beside_a_scorecard_are_its_own(tmp_path: Path) -> None:
    run(tmp_path / "a", "input")
    run(tmp_path / "b", "bicubic")
    assert read_rows(tmp_path / "a").num_rows == COUNT
    (tmp_path / "a" / "rows.parquet").write_bytes((tmp_path / "b" / "rows.parquet").read_bytes())
    assert any("not the rows" in problem for problem in scorecard_problems(tmp_path / "a")[1])


def test_rows_that_were_lost_are_written_again(tmp_path: Path) -> None:
    before = run(tmp_path / "run")
    (tmp_path / "run" / "rows.parquet").write_bytes(b"PAR1")
    assert run(tmp_path / "run").results_digest == before.results_digest
    assert scorecard_problems(tmp_path / "run")[1] == []


def test_every_label_of_the_breakdowns_lands_in_its_bin(tmp_path: Path) -> None:
    card = run(tmp_path / "run")
    counts = {(cell.by, cell.bin): cell.n for cell in card.results.breakdowns}
    assert counts[("yaw", "<-45")] == COUNT  # yaw is number - 90, and 30 images reach -61
    assert counts[("yaw", "-45..45")] == counts[("yaw", ">=45")] == 0
    assert counts[("identity", "1")] + counts[("identity", "2")] == COUNT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("begun", [False, True])
def test_a_read_only_folder_is_one_sentence(begun: bool, tmp_path: Path) -> None:
    folder = tmp_path / "place" / "run"
    folder.mkdir(parents=True)
    if begun:
        manifests.adopt(folder, plan_of(folder).draft)
    for place in (folder, folder.parent):
        place.chmod(0o500)
    with pytest.raises(OutputError, match="cannot write"):
        run(folder)


def test_a_place_that_is_no_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        run(tmp_path / "file" / "run")


def test_processes_that_start_together_agree_on_one_manifest(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    drafts = [plan_of(tmp_path / "run").draft.model_copy(update={"created": f"moment {n}"}) for n in range(8)]
    found: list[manifests.Manifest] = []
    threads = [
        threading.Thread(target=lambda draft=draft: found.append(manifests.adopt(tmp_path / "run", draft)))
        for draft in drafts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({manifest.created for manifest in found}) == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["manifest.json"]
