"""A resume that resumes: killed at any moment and resumed equals uninterrupted, to the bit."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from bfrbench import digests
from bfrbench.cli import main
from bfrbench.errors import InputError, NotComparable, OutputError, UnknownName, UsageError
from bfrbench.training import checkpoint, folder, start
from bfrbench.training.journal import read_stats
from bfrbench.training.order import Order
from bfrbench.training.prior import Prior
from tests.training.conftest import TINY


def words(photographs: Path, out: Path, *more: str) -> list[str]:
    sets = [word for setting in TINY for word in ("--set", setting)]
    place = ["--data", str(photographs), "--out", str(out)]
    return [sys.executable, "-m", "bfrbench", "train", "stylegan2-prior@16", *place, *sets, *more]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1", **environment}, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def whole(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = run(words(photographs, out))
    assert done.returncode == 0, done.stderr
    return out


def essence(out: Path) -> tuple[str, list[dict[str, object]]]:
    """The weights, the last checkpoint and the numbers of a run, without times."""
    stats = [{k: v for k, v in line.items() if k != "timing"} for line in read_stats(out)]
    last = checkpoint.all_of(out)[-1]
    parts = [digests.of_file(out / "result.safetensors"), digests.of_file(last / "weights.safetensors")]
    return "/".join([last.name, *parts]), stats


def test_the_same_command_gives_the_same_bits(photographs: Path, whole: Path, tmp_path: Path) -> None:
    done = run(words(photographs, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert essence(tmp_path / "run") == essence(whole)


def killed_and_resumed(photographs: Path, out: Path, moments: random.Random) -> None:
    """Start, kill with -9 after some time, resume, until it ends."""
    resume: list[str] = []
    for _ in range(60):
        process = subprocess.Popen(
            words(photographs, out, *resume),
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        known = len(checkpoint.all_of(out))
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if len(checkpoint.all_of(out)) > known or (out / ".never").exists():
                break
            time.sleep(0.01)
        if process.poll() is None:
            time.sleep(moments.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
        stderr = process.communicate()[1].decode()
        if process.returncode == 0:
            return
        assert process.returncode == -signal.SIGKILL, stderr
        resume = ["--resume"] if (out / "order.json").exists() else []
    raise AssertionError("it never came to its end")


def test_killed_again_and_again_equals_uninterrupted(photographs: Path, whole: Path, tmp_path: Path) -> None:
    killed_and_resumed(photographs, tmp_path / "run", random.Random(1))
    assert essence(tmp_path / "run") == essence(whole)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_many_more_moments(photographs: Path, whole: Path, tmp_path: Path, seed: int) -> None:
    killed_and_resumed(photographs, tmp_path / "run", random.Random(100 + seed))
    assert essence(tmp_path / "run") == essence(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_last_step_and_says_how_to_go_on(
    photographs: Path, whole: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen(
        words(photographs, out),
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    while not read_stats(out) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in stderr
    assert f"with --resume goes on from {int(checkpoint.all_of(out)[-1].name)} images" in stderr
    assert run(words(photographs, out, "--resume")).returncode == 0
    assert digests.of_file(out / "result.safetensors") == digests.of_file(whole / "result.safetensors")


def test_another_number_of_threads_is_said(photographs: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    done = run([*words(photographs, tmp_path / "run", "--resume"), "--set", "run.images=56"], OMP_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    assert "threads 1 → 2" in done.stderr and "equal within rounding, not to the bit" in done.stderr


def gradients(out: Path, network: str) -> dict[int, torch.Tensor]:
    """The last gradient of each parameter: Adam's first moment, whose memory a prior sets to nothing."""
    held = torch.load(checkpoint.all_of(out)[-1] / "optimisers.pt", weights_only=True)["optimisers"][network]
    return {number: state["exp_avg"] for number, state in held["state"].items()}


def test_two_processes_have_the_gradient_of_one_with_twice_the_accumulation(photographs: Path, tmp_path: Path) -> None:
    """Gradients are compared, not weights: Adam divides a gradient by its own size, so where one is all rounding its
    step of one rate may point either way."""
    sets = ("run.micro_batch=4", "run.images=8", "task.path_weight=0", "task.r1_gamma=0")
    more = [word for setting in sets for word in ("--set", setting)]
    one = run(words(photographs, tmp_path / "one", *more))
    assert one.returncode == 0, one.stderr
    two = words(photographs, tmp_path / "two", *more)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *two[1:]]
    both = run(launcher)
    assert both.returncode == 0, both.stderr
    for network, tolerance in (("generator", 1e-4), ("discriminator", 1e-2)):  # the second sees a moved generator
        first, second = (gradients(tmp_path / name, network) for name in ("one", "two"))
        assert first.keys() == second.keys() and len(first) > 5
        for number, gradient in first.items():
            assert (gradient - second[number]).norm() <= tolerance * gradient.norm() + 1e-9, (network, number)


def test_two_processes_agree_with_one_on_path_length_and_ada_and_resume_to_the_bit(
    photographs: Path, tmp_path: Path
) -> None:
    """Only the first process's state is kept, for all of them."""
    sets = ("run.micro_batch=4", "task.path_weight=2", "task.path_every=1", "task.augmentation=ada", "task.mixing=0")
    sets = (*sets, "run.cache=disk")  # of two processes each decodes a half, and both read all

    def trained(name: str, images: int, processes: int, *more: str) -> Path:
        chosen = [word for setting in (*sets, f"run.images={images}") for word in ("--set", setting)]
        command = words(photographs, tmp_path / name, *chosen, *more)
        if processes > 1:
            launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
            command = [command[0], *launcher, *command[1:]]
        done = run(command)
        assert done.returncode == 0, done.stderr
        return tmp_path / name

    def state(out: Path, name: str) -> float:
        with safe_open(checkpoint.folder(out, 16) / "weights.safetensors", "pt") as held:
            return float(held.get_tensor(f"task/{name}"))

    one, two = trained("one", 16, 1), trained("two", 32, 2)
    parts = sorted((tmp_path / "two" / "cache").iterdir())
    assert [part.name for part in parts] == ["set-0-0-of-2.u8", "set-0-1-of-2.u8"]
    assert [part.stat().st_size for part in parts] == [6 * 16 * 16 * 3] * 2
    assert state(one, "path-mean") > 0 and state(one, "augment-strength") > 0
    assert state(two, "path-mean") == pytest.approx(state(one, "path-mean"), rel=1e-2)
    assert state(two, "augment-strength") == state(one, "augment-strength")
    shutil.copytree(two, tmp_path / "cut")
    shutil.rmtree(checkpoint.folder(tmp_path / "cut", 32))
    assert essence(trained("cut", 32, 2, "--resume")) == essence(two)


def settings(photographs: Path, *more: str, size: int = 16) -> Order:
    return Order.of(f"stylegan2-prior@{size}", [str(photographs)], sets=[*TINY, *more])


def test_a_folder_that_holds_a_training_is_not_written_over(photographs: Path, whole: Path) -> None:
    with pytest.raises(UsageError, match=r"holds a training already.*--resume"):
        start.train(settings(photographs), whole)


def test_a_start_that_failed_leaves_the_folder_free(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UnknownName, match="photografs"):
        start.train(Order.of("stylegan2-prior@16", ["photografs"], sets=TINY), out)
    with pytest.raises(InputError, match="the model 128 px"):
        start.train(settings(photographs, size=128), out)
    folder.claim(out, {}, "", [], None, folder.Seen())  # what one leaves behind that fails at its first step
    assert start.train(settings(photographs, "run.images=8"), out).is_file()


def test_the_dry_run_says_what_would_be_read_and_finds_what_would_fail(photographs: Path, tmp_path: Path) -> None:
    said = run(words(photographs, tmp_path / "run", "--data", f"{photographs}@3", "--dry-run"))
    assert said.returncode == 0, said.stderr
    (first, second) = json.loads(said.stdout)["reads"]
    assert (first["images"], first["share"], second["share"]) == (12, 0.25, 0.75)
    misspelt = run([*words(photographs, tmp_path / "run", "--dry-run"), "--data", "photografs@0.5"])
    assert misspelt.returncode != 0 and "photografs" in misspelt.stderr and "Traceback" not in misspelt.stderr
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_settings_names_them(photographs: Path, whole: Path) -> None:
    with pytest.raises(NotComparable, match=r"task\.r1_gamma: 10\.0 then, 3\.0 now"):
        start.train(settings(photographs, "task.r1_gamma=3.0"), whole, resume=True)


def test_what_a_training_says_and_keeps_may_change_over_a_resume(
    photographs: Path, whole: Path, tmp_path: Path
) -> None:
    beside = ("run.unreadable=99", "run.samples=2", "run.sample_every=5", "run.validate_every=5", "run.images=96")
    assert settings(photographs, *beside).digest == settings(photographs).digest
    shutil.copytree(whole, tmp_path / "run")
    assert start.train(settings(photographs, *beside, "run.images=56"), tmp_path / "run", resume=True).is_file()


def test_the_length_counts_where_stages_are_shares_of_it(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Prior, "staged", True)
    assert settings(photographs, "run.images=96").digest != settings(photographs).digest
    assert settings(photographs, "run.samples=2").digest == settings(photographs).digest


def test_a_change_on_the_way_is_taken_from_there_on_and_noted_for_good(
    photographs: Path, whole: Path, tmp_path: Path
) -> None:
    import tomllib

    def betas(run: Path) -> object:
        held = torch.load(checkpoint.all_of(run)[-1] / "optimisers.pt", weights_only=True)
        return held["optimisers"]["generator"]["param_groups"][0]["betas"]

    out = tmp_path / "run"
    shutil.copytree(whole, out)
    changed = ("task.lr=0.0005", "task.betas=[0.5, 0.9]")
    result = start.train(settings(photographs, *changed, "run.images=56"), out, resume=True, change=True)
    assert betas(out) != betas(whole), "what the optimiser brought along gives way"
    start.train(settings(photographs, *changed, "run.images=64"), out, resume=True)
    (note,) = json.loads((out / "order.json").read_text())["changes"]
    assert note["at"] == 48 and any("task.lr: 0.002 then, 0.0005 now" in what for what in note["what"])
    assert "at 48 images" in tomllib.loads(result.with_suffix(".toml").read_text())["changed"][0]


def test_resuming_what_was_never_started_is_said(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no training to resume"):
        start.train(settings(photographs), tmp_path / "nothing", resume=True)


def test_a_damaged_checkpoint_is_named(photographs: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    last = checkpoint.all_of(tmp_path / "run")[-1]
    (last / "weights.safetensors").write_bytes((last / "weights.safetensors").read_bytes()[:-100])
    with pytest.raises(InputError, match=f"{last.name} is damaged"):
        start.train(settings(photographs), tmp_path / "run", resume=True)


def test_old_checkpoints_go_and_milestones_stay(photographs: Path, tmp_path: Path) -> None:
    more = ("run.checkpoint_every=8", "run.milestone_every=24", "run.keep_last=1")
    start.train(settings(photographs, *more), tmp_path / "run")
    assert [int(place.name) for place in checkpoint.all_of(tmp_path / "run")] == [24, 48]


def test_milestones_stay_where_batches_do_not_meet_them(photographs: Path, tmp_path: Path) -> None:
    more = ("run.images=80", "run.checkpoint_every=8", "run.milestone_every=20", "run.keep_last=1")
    start.train(settings(photographs, *more), tmp_path / "run")
    assert [int(place.name) for place in checkpoint.all_of(tmp_path / "run")] == [24, 40, 64, 80]


def test_a_change_that_does_not_fit_leaves_the_run_as_it_was(photographs: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    before = (out / "order.json").read_bytes()
    with pytest.raises(UsageError, match="does not fit this recipe"):
        start.train(settings(photographs, "run.images=56", "task.narrow=0.06"), out, resume=True, change=True)
    assert (out / "order.json").read_bytes() == before
    assert start.train(settings(photographs, "run.images=56"), out, resume=True).is_file()
    assert "narrow" not in (out / "result.toml").read_text()


def test_two_trainings_in_one_folder_are_one_too_many(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with folder.alone(out), pytest.raises(UsageError, match=r"another process trains in .* at this moment"):
        start.train(settings(photographs), out)
    assert not out.exists()  # nothing was written
    out.write_text("not a folder")
    with pytest.raises(UsageError, match="is a file, and a training needs a folder"):
        start.train(settings(photographs), out)


def test_a_folder_alone_goes_on_with_its_training(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    stopped = [*words(photographs, out), "--set", "run.images=16"]
    assert run(stopped).returncode == 0
    (out / "result.safetensors").unlink()
    order = json.loads((out / "order.json").read_text())
    order["order"]["device"] = "cuda:99"  # as of a training on a GPU
    (out / "order.json").write_text(json.dumps(order))
    alone = [sys.executable, "-m", "bfrbench", "train", "--resume", "--out", str(out)]
    elsewhere = run(alone)
    assert elsewhere.returncode == 2 and ("no GPU" in elsewhere.stderr or "no cuda:99" in elsewhere.stderr)
    again = run([*alone, "--device", "cpu"])
    assert again.returncode == 0 and "result.safetensors" in again.stdout
    for lost in (["--out", str(out)], ["--resume"], ["--resume", "--out", str(out), "--set", "run.batch=4"]):
        refused = run([sys.executable, "-m", "bfrbench", "train", *lost])
        assert refused.returncode == 2 and "no recipe is named" in refused.stderr


def test_processes_that_slurm_started_are_no_training(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "32")  # of the job: a plain command in its script is one process
    assert start.train(settings(photographs, "run.images=8"), tmp_path / "script").is_file()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "32")
    with pytest.raises(UsageError, match=r"Slurm started 32 processes.*torchrun"):
        start.train(settings(photographs), tmp_path / "run")


def test_a_checkpoint_becomes_the_weights_that_the_end_would_have_written(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "last.safetensors"
    start.export(whole, out)
    assert out.read_bytes() == (whole / "result.safetensors").read_bytes()
    same = [(whole / "result.toml").read_text(), out.with_suffix(".toml").read_text()]
    assert same[0].count("images = 12\n") == 1 and "left_out = []" in same[0]  # of its data set
    assert same[1] == same[0].replace('"result', '"last').replace("images = 12\n", "")
    earlier = start.export(checkpoint.all_of(whole)[0], tmp_path / "early.safetensors")
    assert "images = 32" in earlier.with_suffix(".toml").read_text()
    assert main(["train", "--export", str(whole), "--out", str(tmp_path / "folder")]) == 2


def test_a_full_disk_loses_no_checkpoint(photographs: Path, tmp_path: Path) -> None:
    """A real file-size limit, lowered when the first checkpoint stands."""
    import resource

    out = tmp_path / "run"
    start.train(settings(photographs, "run.images=16"), out)
    before = {path.name: digests.of_file(path) for path in checkpoint.all_of(out)[-1].iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot be written.*make room and resume: the last whole checkpoint"):
            start.train(settings(photographs), out, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, kept)
    (only,) = checkpoint.all_of(out)
    assert {path.name: digests.of_file(path) for path in only.iterdir()} == before
    assert not [path for path in only.parent.iterdir() if path.name.endswith(".part")]


def test_the_order_on_disk_says_everything(whole: Path) -> None:
    written = json.loads((whole / "order.json").read_text())
    assert written["order"]["recipe"]["run"]["batch"] == 8
    assert written["order"]["recipe"]["task"]["noise"] == "add"


def test_a_training_of_an_older_version_is_resumed_though_settings_have_been_added(
    photographs: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    written = json.loads((out / "order.json").read_text())
    for table, name in (("task", "style_dim"), ("run", "clip")):
        written["order"]["recipe"][table].pop(name)
    (out / "order.json").write_text(json.dumps(written))
    assert start.train(settings(photographs, "run.images=56"), out, resume=True).is_file()
    with pytest.raises(NotComparable, match=r"task\.style_dim: 512 then, 64 now"):
        start.train(settings(photographs, "task.style_dim=64"), out, resume=True)
