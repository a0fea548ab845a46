"""Trainings that are interrupted and go on."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vseens_rec import BPR, Checkpoint, Popularity, VSEens
from vseens_rec.choices import EarlyStopping, Group
from vseens_rec.datasets import make_annotations
from vseens_rec.engine.settings import Settings
from vseens_rec.engine.stored_pairs import StoredPairs
from vseens_rec.files import archive
from vseens_rec.files.checkpoints import KINDS

OPTIONS = {"factors": 6, "iterations": 6, "num_threads": 1}
SETTINGS = {
    "adaptive": {"random_state": 3},
    "no seed": {},
    "early stopping": {"random_state": 3, "early_stopping": EarlyStopping(n_iter_no_change=3)},
    "early stopping, factors of the training": {
        "random_state": 3, "early_stopping": True, "fold_in_users": False,
    },
    "exact": {"random_state": 3, "sampler": "exact", "selection": "first"},
    "popularity": {"random_state": 3, "sampler": "popularity"},
    "auto group": {
        "random_state": 3, "selection": Group(size="auto"), "candidates": 6,
        "loss": "softmax",
    },
    "weighted": {"random_state": 3, "positive_sampling": "weighted"},
}  # fmt: skip


class Interruption(Exception):  # noqa: N818
    pass


def stop_after(n_epochs):
    """A callback that raises after so many epochs."""
    seen = []

    def callback(*_):
        seen.append(1)
        if len(seen) == n_epochs:
            raise Interruption

    return callback


def fit(model, X, **options):
    return model.fit(X, show_progress=False, **options)


def interrupt(model, X, checkpoint, n_epochs):
    with pytest.warns(UserWarning, match="stopped early"), pytest.raises(Interruption):
        fit(model, X, checkpoint=checkpoint, callback=stop_after(n_epochs))


def assert_same_bits(one, other):
    np.testing.assert_array_equal(one.user_factors, other.user_factors)
    np.testing.assert_array_equal(one.item_factors, other.item_factors)
    assert one.n_iter_ == other.n_iter_
    # sums of parts that are cut by the clock
    np.testing.assert_allclose(one.history_["loss"], other.history_["loss"], rtol=1e-12)
    assert one.history_.get("validation") == other.history_.get("validation")


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_resumed_training_gives_the_same_bits(annotations, tmp_path, setting, monkeypatch):
    if "random_state" not in setting:
        # the same entropy for the training that runs through, another one for the one that resumes
        entropy = iter([11, 11, 12, 13])
        sequence = np.random.SeedSequence
        monkeypatch.setattr(
            np.random,
            "SeedSequence",
            lambda seed: sequence(next(entropy) if seed is None else seed),
        )
    through = fit(VSEens(**OPTIONS, **setting), annotations)
    checkpoint = Checkpoint(tmp_path / "training")
    interrupt(VSEens(**OPTIONS, **setting), annotations, checkpoint, 2)
    interrupt(VSEens(**OPTIONS, **setting), annotations, checkpoint, 1)
    resumed = fit(VSEens(**OPTIONS, **setting), annotations, checkpoint=checkpoint)
    assert_same_bits(resumed, through)
    assert not list(tmp_path.iterdir())


def test_a_resumed_warm_start_gives_the_same_bits(annotations, tmp_path):
    def started():
        model = VSEens(**OPTIONS, random_state=3, warm_start=True)
        return fit(model, annotations[:300])

    through = fit(started(), annotations)
    checkpoint = Checkpoint(tmp_path / "training")
    interrupt(started(), annotations, checkpoint, 2)
    assert_same_bits(fit(started(), annotations, checkpoint=checkpoint), through)
    interrupt(started(), annotations, checkpoint, 2)
    with pytest.raises(ValueError, match="differs in warm_start"):
        fit(VSEens(**OPTIONS, random_state=3, warm_start=True), annotations, checkpoint=checkpoint)


def test_writes_every_so_many_epochs(annotations, tmp_path):
    checkpoint = Checkpoint(tmp_path / "training", every=2)
    found = []

    def callback(*_):
        found.append(checkpoint.path.exists() and checkpoint.path.stat().st_mtime_ns)

    fit(VSEens(**OPTIONS, random_state=3), annotations, checkpoint=checkpoint, callback=callback)
    assert not found[0]
    assert found[1] == found[2] != found[3] == found[4] != found[5]


def test_another_training_is_refused_and_keeps_the_file(annotations, tmp_path):
    checkpoint = Checkpoint(tmp_path / "training")
    interrupt(VSEens(**OPTIONS, random_state=3), annotations, checkpoint, 2)
    before = checkpoint.path.read_bytes()
    wider = annotations.copy()
    wider.resize(annotations.shape[0], annotations.shape[1] + 1)
    others = [
        (VSEens(**OPTIONS | {"factors": 7}, random_state=3), annotations, "factors"),
        (VSEens(**OPTIONS, random_state=4), annotations, "random_state"),
        (VSEens(**OPTIONS, random_state=3, regularization=0.5), annotations, "regularization"),
        (VSEens(**OPTIONS, random_state=3), annotations[:-1], "X"),
        (VSEens(**OPTIONS, random_state=3), wider, "X"),
        (BPR(**OPTIONS, random_state=3), annotations, "class"),
    ]
    for model, X, name in others:
        with pytest.raises(ValueError, match=rf"another training, which differs in .*\b{name}\b"):
            fit(model, X, checkpoint=checkpoint)
        assert model.user_factors is None
        assert checkpoint.path.read_bytes() == before
    # these do not change what is learned
    model = VSEens(**OPTIONS | {"num_threads": 2}, random_state=3, dtype=np.float64)
    assert fit(model, annotations, checkpoint=checkpoint).n_iter_ == 6


def test_files_that_are_no_checkpoints(annotations, tmp_path):
    checkpoint = Checkpoint(tmp_path / "training")
    model = VSEens(**OPTIONS, random_state=3)
    fit(VSEens(**OPTIONS), annotations).save(checkpoint.path)
    with pytest.raises(ValueError, match="no checkpoint"):
        fit(model, annotations, checkpoint=checkpoint)
    checkpoint.path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not a whole file"):
        fit(model, annotations, checkpoint=checkpoint)
    checkpoint.remove()
    interrupt(model, annotations, checkpoint, 2)
    with pytest.raises(ValueError, match="not the file of a model"):
        VSEens.load(checkpoint.path)


def damaged_state(state):
    state["trainer"] = [1]


def unknown_labels(state):
    state["arrays"]["rank_table"][3, 2] = 65_535


def interval_of_text(state):
    state["trainer"]["pairs_since_refresh"] = "soon"


def table_of_another_shape(state):
    state["arrays"]["rank_table"] = state["arrays"]["rank_table"][:, 1:].copy()


@pytest.mark.parametrize(
    "change", [damaged_state, unknown_labels, interval_of_text, table_of_another_shape]
)
def test_a_damaged_state_is_refused(annotations, tmp_path, change):
    checkpoint = Checkpoint(tmp_path / "training")
    interrupt(VSEens(**OPTIONS, random_state=3), annotations, checkpoint, 2)
    state, arrays = archive.read(checkpoint.path, lambda _: KINDS)
    state["arrays"] = {name: array.copy() for name, array in arrays.items()}
    change(state)
    archive.write(checkpoint.path, state, state.pop("arrays"))
    model = VSEens(**OPTIONS, random_state=3)
    with pytest.raises(ValueError, match="is damaged"):
        fit(model, annotations, checkpoint=checkpoint)
    assert model.user_factors is None


def test_a_full_disk_leaves_the_previous_checkpoint(annotations, tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "training")
    through = fit(VSEens(**OPTIONS, random_state=3), annotations)
    interrupt(VSEens(**OPTIONS, random_state=3), annotations, checkpoint, 2)
    before = checkpoint.path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        model = VSEens(**OPTIONS, random_state=3)
        with pytest.warns(UserWarning, match="3 of 6"), pytest.raises(OSError, match="No space"):
            fit(model, annotations, checkpoint=checkpoint)
        assert model.n_iter_ == 3
    assert checkpoint.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["training.npz"]
    resumed = fit(VSEens(**OPTIONS, random_state=3), annotations, checkpoint=checkpoint)
    assert_same_bits(resumed, through)


def test_what_is_no_checkpoint_object(annotations):
    with pytest.raises(TypeError, match=r"checkpoint=Checkpoint\(path\)"):
        fit(VSEens(**OPTIONS), annotations, checkpoint="training")
    with pytest.raises(ValueError, match="leave checkpoint out"):
        Popularity().fit(annotations, checkpoint=Checkpoint("training"))
    with pytest.raises(ValueError, match="every must be at least 1"):
        Checkpoint("training", every=0)
    assert repr(Checkpoint("training.npz", 5)) == "Checkpoint('training.npz', every=5)"


LONG_FIT = """
import signal, sys, time, warnings
from vseens_rec import VSEens

# a shell starts what runs in the background with it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
from vseens_rec.choices import Hinge
from vseens_rec.datasets import make_annotations

X = make_annotations(20_000, 2_000, 200_000, random_state=0)
model = VSEens(num_threads=1, random_state=0, {parameters})
started = False
def callback(epoch, *_):
    global started
    if epoch == {epoch}:
        print("ready", flush=True)
if {epoch} < 0:
    print("ready", flush=True)
try:
    model.fit(X, show_progress=False, callback=callback)
except KeyboardInterrupt:
    print("interrupted", time.time(), getattr(model, "n_iter_", None), flush=True)
    if model.user_factors is not None:
        print(len(model.recommend(0)[0]), flush=True)
"""
# slow in one way each: many epochs, epochs of minutes
LONG = {
    "many epochs": (0, "iterations=100000, factors=16"),
    "softmax of 4096": (-1, "iterations=100, loss='softmax', candidates=4096"),
    "exact": (-1, "iterations=100, sampler='exact', selection='first'"),
    "violator": (-1, "iterations=100, loss=Hinge(margin=1e-6), selection='violator'"),
}


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("epoch", "parameters"), LONG.values(), ids=LONG)
def test_an_interrupt_is_seen_soon(epoch, parameters):
    code = LONG_FIT.format(epoch=epoch, parameters=parameters)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.0)
        asked = time.time()
        process.send_signal(signal.SIGINT)
        try:
            words, _, rest = process.communicate(timeout=60)[0].partition("\n")
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    words = words.split()
    assert process.returncode == 0
    assert words[0] == "interrupted"
    # a fraction of this where nothing else runs
    assert float(words[1]) - asked < 3
    if epoch >= 0:
        assert int(words[2]) >= 1
        assert rest == "10\n"
    # where no epoch was done there is no model
    assert (words[2] == "None") == (rest == "")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_while_saving_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.npz"
    code = (
        "import sys\n"
        "from vseens_rec import VSEens\n"
        "model = VSEens.load(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True: model.save(sys.argv[1])\n"
    )
    X = make_annotations(3000, 300, 20_000, random_state=0)
    model = fit(VSEens(iterations=1, random_state=0), X)
    model.save(path)
    generator = np.random.default_rng(0)
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(generator.uniform(0, 0.1))
            process.kill()
        np.testing.assert_array_equal(VSEens.load(path).user_factors, model.user_factors)


def test_an_interrupt_in_the_first_epoch_leaves_the_model(annotations, monkeypatch):
    class Interrupted:
        def run(self, *_, **options):
            raise KeyboardInterrupt

    model = fit(VSEens(**OPTIONS, random_state=3), annotations)
    before = dict(vars(model))
    monkeypatch.setattr(Settings, "make_training", lambda *_: Interrupted())
    for X in (annotations, annotations[:, :50]):
        with pytest.raises(KeyboardInterrupt):
            fit(model, X)
        assert vars(model) == before
    fresh = VSEens(**OPTIONS)
    with pytest.raises(KeyboardInterrupt):
        fit(fresh, annotations)
    assert fresh.user_factors is None


def test_a_failure_at_the_very_end_leaves_the_model(annotations, monkeypatch):
    """Factors and the matrix that belongs to them change together, or not at all."""
    model = fit(VSEens(**OPTIONS), annotations)
    before = vars(model).copy()

    def too_large(matrix):
        raise MemoryError

    monkeypatch.setattr(StoredPairs, "of", too_large)
    with pytest.raises(MemoryError):
        fit(model, annotations[:, :50])
    assert vars(model) == before


def test_an_interrupt_of_the_fold_in_leaves_whole_rows(annotations, monkeypatch):
    """Every row is that of the training or the one folded in."""
    trained = fit(VSEens(**OPTIONS, random_state=3, fold_in_users=False), annotations)
    folded = fit(VSEens(**OPTIONS, random_state=3), annotations)
    calls = []

    def interrupted(self, pairs, seconds):
        calls.append(pairs)
        self.pairs = 40 * 500
        if len(calls) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(
        "vseens_rec.engine.trainer.Trainer.run_epoch", counted(monkeypatch, interrupted)
    )
    model = VSEens(**OPTIONS, random_state=3)
    with pytest.warns(UserWarning, match="6 of 6 epochs"), pytest.raises(KeyboardInterrupt):
        fit(model, annotations)
    new = (model.user_factors == folded.user_factors).all(axis=1)
    old = (model.user_factors == trained.user_factors).all(axis=1)
    assert new.any()
    assert old.any()
    assert (new | old).all()


def counted(monkeypatch, record):
    """Run epochs as they are, and watch the calls of the kernel after the last of them."""
    from vseens_rec.engine.call_size import CallSize
    from vseens_rec.engine.trainer import Trainer

    original, plain = Trainer.run_epoch, CallSize.record

    def run_epoch(trainer, *place):
        monkeypatch.setattr(CallSize, "record", plain)
        counts = original(trainer, *place)
        monkeypatch.setattr(CallSize, "record", record)
        return counts

    return run_epoch


def test_a_path_that_cannot_be_written_is_found_before_the_training(annotations, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "file").write_text("")
    for path, error, message in (
        ("none/training", FileNotFoundError, "there is no folder .*none.*mkdir"),
        ("folder", IsADirectoryError, "is the folder .*folder.npz"),
        ("file/training", OSError, "checkpoint is .*nothing can be written"),
    ):
        model, epochs = VSEens(**OPTIONS), []
        with pytest.raises(error, match=message):
            fit(
                model,
                annotations,
                checkpoint=Checkpoint(tmp_path / path),
                callback=lambda *event, epochs=epochs: epochs.append(event),
            )
        assert not epochs
        assert model.item_factors is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.npz"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="there are no links")
def test_a_checkpoint_behind_a_symbolic_link(annotations, tmp_path):
    (tmp_path / "disk").mkdir()
    target, link = tmp_path / "disk" / "training.npz", tmp_path / "link.npz"
    link.symlink_to(target)
    model = VSEens(**OPTIONS | {"random_state": 3})
    interrupt(model, annotations, Checkpoint(link), 2)
    assert target.exists()
    assert link.is_symlink()
    fit(model, annotations, checkpoint=Checkpoint(link))
    assert not target.exists()
    assert link.is_symlink()
    assert_same_bits(model, fit(VSEens(**OPTIONS | {"random_state": 3}), annotations))
