"""The run: manifest, pending shards, work, scorecard. The same command again, anywhere, goes on with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bfrbench import progress
from bfrbench.bench import concluding, depends, scorecard, sealed
from bfrbench.bench import manifest as manifests
from bfrbench.bench.claims import Claims
from bfrbench.bench.headway import Headway, images_done
from bfrbench.bench.isolation import Isolated
from bfrbench.bench.journal import Journal, writing
from bfrbench.bench.manifest import Manifest, Shard
from bfrbench.bench.outcome import conclude
from bfrbench.bench.plan import Plan
from bfrbench.bench.ranks import device_name
from bfrbench.bench.recovery import Recovering
from bfrbench.bench.restoring import Direct, Engine
from bfrbench.bench.scorecard import Scorecard
from bfrbench.bench.scoring import Scoring
from bfrbench.bench.work import Overlap, Work
from bfrbench.errors import BfrbenchError
from bfrbench.stopping import Stopping

if TYPE_CHECKING:
    from bfrbench.metrics.reference import Reference

_WAIT_SECONDS = 0.3
_CONCLUSION = "scorecard"


def execute(plan: Plan) -> Scorecard:
    """Do what is still to do, together with whoever else works in the folder, and give the scorecard."""
    references, draft = None, plan.draft
    if not (plan.folder / manifests.FILE).exists():
        references, draft = _foresee(plan)
    with writing(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
        manifest = manifests.adopt(plan.folder, draft, any_threads=plan.settings.threads is None)
    journal = Journal(plan.folder, manifest)
    run = _Run(plan, journal, references)
    run.audit()
    if run.complete and (card := _finished(plan.folder)):
        run.say(f"{plan.folder} is finished already")
        return card
    with Stopping() as stopping, Claims(journal.claims) as claims, _threads(manifest.choices.threads):
        return run.to_the_end(stopping, claims)


@dataclass
class _Run:
    plan: Plan
    journal: Journal
    references: Mapping[str, Reference] | None = None

    @property
    def complete(self) -> bool:
        return len(self.journal.landed()) == len(self.journal.shards)

    def say(self, text: str) -> None:
        if self.plan.rank.speaks and not progress.quiet():
            print(text, file=sys.stderr, flush=True)

    def audit(self) -> bool:
        """Set damaged shards aside and say so; whether every landed shard is sound."""
        damaged = self.journal.audit()
        for name, problem in damaged.items():
            print(f"{name} is damaged ({problem}): it will be computed again", file=sys.stderr, flush=True)
        if damaged:
            (self.plan.folder / scorecard.FILE).unlink(missing_ok=True)
        return not damaged

    def to_the_end(self, stopping: Stopping, claims: Claims) -> Scorecard:
        """Work while there is any; then one process concludes and the others wait for it."""
        if self.references is None:
            self.references = references_of(self.plan, self.journal.manifest.ids)
        self._event("run-started", images=len(self.journal.manifest.ids))
        while True:
            if not self.complete:
                self._work(stopping, claims)
            if stopping.asked.is_set():
                self._interrupted()
            if claims.take(_CONCLUSION):
                try:
                    with stopping.at_once():
                        if self.audit():
                            return self._conclude()
                except KeyboardInterrupt:
                    kept = concluding.kept(self.plan.folder)
                    self.say(f"stopped while concluding; the numbers of {kept} metrics are kept")
                    raise
                finally:
                    claims.release(_CONCLUSION)
            elif card := _finished(self.plan.folder):
                return card
            else:
                time.sleep(_WAIT_SECONDS)

    def _conclude(self) -> Scorecard:
        """Unless somebody did just before."""
        if card := _finished(self.plan.folder):
            return card
        card = conclude(self.plan, self.journal, self.references or {})
        self._event("run-finished", status=card.results.status)
        return card

    def _work(self, stopping: Stopping, claims: Claims) -> None:
        if landed := self.journal.landed():
            self.say(f"going on: {len(landed)} of {len(self.journal.shards)} shards are done")
        with closing(self._engine()) as engine:
            scoring = self._scoring()  # while a worker process is starting
            engine.ready()
            with self._headway(claims) as look:
                work = self._worker(engine, scoring, stopping, claims, look)
                while not (self.complete or stopping.asked.is_set()):
                    if not work.once():
                        time.sleep(_WAIT_SECONDS)  # the rest is in others' hands
                        look()

    def _engine(self) -> Engine:
        plan, choices = self.plan, self.journal.manifest.choices
        job = plan.job(self.journal.manifest)
        if plan.isolated:
            return Isolated(job, time_limit=choices.time_limit, memory_limit=plan.settings.memory_limit)
        return Direct(lambda: plan.loaded or job.load(plan.host))

    def _worker(
        self, engine: Engine, scoring: Scoring, stopping: Stopping, claims: Claims, look: Callable[[], None]
    ) -> Work:
        plan, manifest = self.plan, self.journal.manifest
        choices, rank = manifest.choices, plan.rank
        allowed = int(choices.board.max_failures * len(manifest.ids))
        return Work(
            stage=plan.stage,
            journal=self.journal,
            claims=claims,
            engine=Recovering(
                engine,
                patience=max(allowed, choices.batch),
                landed=self.journal.timed_out,
                answered=self.journal.answered,
            ),
            scoring=scoring,
            stop=stopping.asked,
            overlap=Overlap(plan.settings.readers, plan.settings.batches_ahead),
            first=rank.index * len(self.journal.shards) // rank.count,
            device=device_name(plan.device),
            sees_ground_truth=plan.spec.sees_ground_truth,
            sample=choices.restorer.sample,
            point=choices.restorer.point,
            on_batch=look,
            on_shard=lambda shard: self._landed(shard),
        )

    def _scoring(self) -> Scoring:
        from bfrbench.bench.lenient import LenientScorer
        from bfrbench.weights import WeightStore

        plan, choices = self.plan, self.journal.manifest.choices
        scorer = LenientScorer(plan.stage.protocol, plan.device, WeightStore(), available=plan.stage.available)
        images = plan.folder / "images" if choices.save_images else None
        return Scoring(scorer, choices.board.codec, plan.device, images)

    def _landed(self, shard: Shard) -> None:
        self._event("shard-landed", shard=shard.number, images=len(shard.ids))

    def _event(self, name: str, **facts: Any) -> None:
        event = {"event": name, "run": str(self.plan.folder), "board": self.plan.stage.board.name, **facts}
        self.plan.host.call("bfrbench_on_event", event=event)

    def _interrupted(self) -> None:
        landed = self.journal.landed()
        done = sum(len(shard.ids) for shard in self.journal.shards if shard.number in landed)
        self.say(f"{done} of {len(self.journal.manifest.ids)} images have landed in {self.plan.folder}")
        raise KeyboardInterrupt

    @contextmanager
    def _headway(self, claims: Claims) -> Iterator[Callable[[], None]]:
        """Shows how far the run is, and gives what to call when it may have come further."""
        if not self.plan.rank.speaks:
            yield lambda: None
            return
        what = f"{self.plan.spec.id} on {self.plan.stage.board.name}"
        done = images_done(self.journal, claims)
        with progress.Progress(what, total=len(self.journal.manifest.ids), done=done) as shown:
            headway = Headway(self.journal, claims, shown)
            yield headway.look
            headway.look_now()


def references_of(plan: Plan, tested: Sequence[str]) -> dict[str, Reference]:
    """The statistics that metrics compare with, by the metric's name. One that is missing, or that has nothing but the
    images under test where those are left out, is an error at the start."""
    from bfrbench.metrics.references import open_reference

    found = {metric.name: open_reference(metric, plan.stage.protocol, tested=tested) for metric in plan.stage.metrics}
    return {name: reference for name, reference in found.items() if reference is not None}


def _foresee(plan: Plan) -> tuple[dict[str, Reference], Manifest]:
    """What would end a new run at its start is said before it takes the folder. Gives what it compares with, and the
    draft with the weight files that were fetched."""
    draft = plan.draft
    if None in draft.choices.metric_weights.values():
        from bfrbench.metrics import Scorer

        Scorer(plan.stage.protocol, plan.device, available=plan.stage.available)  # fetches, or says what is not here
        choices = draft.choices.model_copy(update={"metric_weights": depends.weights_of(plan.stage.metrics)})
        draft = draft.model_copy(update={"choices": choices})
    return references_of(plan, draft.ids), draft


def _finished(folder: Path) -> Scorecard | None:
    """The scorecard that is there, if it and the rows beside it are whole. What a kill may have left beside it goes."""
    try:
        sealed.verify(folder / scorecard.ROWS)
        card = scorecard.read(folder)
    except (BfrbenchError, FileNotFoundError, sealed.Damaged):
        return None
    concluding.forget(folder)
    return card


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """The number of threads is the manifest's, whatever the environment says."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
