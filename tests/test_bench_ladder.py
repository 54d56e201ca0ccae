"""The throughput ladder: one gradient in every row, what is kept and put back; its figure."""

import contextlib
import functools
import multiprocessing
import pickle
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset, get_worker_info

from imgrec_lab import bench, models, plots, runtime
from imgrec_lab.bench import ladder, ladder_changes, ladder_pictures, ladder_steps, tf32
from imgrec_lab.bench.ladder_changes import Machine
from imgrec_lab.bench.ladder_steps import Setup, Workload

CPU, SIZES = torch.device("cpu"), (4, 8)
HALF = runtime.Precision(torch.float16, scale_gradients=True)
BFLOAT = runtime.Precision(torch.bfloat16)
NAMES = [
    "plain loop", "loader workers", "resident data", "larger batch", "channels-last",
    "half precision", "TF32", "torch.compile", "CUDA graphs",
]  # fmt: skip
build = functools.partial(models.TinyCNN, 3, width=4)


class Noise(Dataset):
    """Sixteen pictures that lie in memory."""

    def __init__(self, count=16):
        draws = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (count, 3, 8, 12), dtype=torch.uint8, generator=draws)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index], index % 3


class InWorkersOnly(Noise):
    """Something happens to a picture, but only where a worker reads it."""

    def __init__(self, happens):
        super().__init__()
        self.happens = happens

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return (self.happens(image), label) if get_worker_info() else (image, label)


def refuse(image):
    raise RuntimeError("the disk is gone")


def climb(pictures=None, **choices):
    choices = {"build": build, "device": "cpu", "seconds": 0.02, "compiled": False} | choices
    pictures = Noise() if pictures is None else pictures
    return bench.throughput_ladder(pictures, batch_sizes=SIZES, **choices)


def workload(**choices):
    torch.manual_seed(0)
    pictures = Noise()
    images, labels = ladder_pictures.resident(pictures, 16)
    return Workload(pictures, images, labels, build(), CPU, 8, 0.02, **choices)


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setattr(ladder_changes, "_MOST_WORKERS", 1)


@pytest.fixture
def scripted(monkeypatch):
    """Rows take what a script says, in milliseconds a call; gives the setups that were timed."""

    def write(times_ms):
        seen, left = [], iter(times_ms)

        def timed(setup, work):
            seen.append(setup)
            middle = next(left)
            times = tuple(middle * factor for factor in (0.98, 0.99, 1, 1, 1, 1, 1.01, 1.02))
            return bench.Timing(times, 1)

        monkeypatch.setattr(ladder_steps, "time_training", timed)
        return seen

    return write


def test_every_row_is_there_and_those_that_apply_are_proved_and_timed(one_worker):
    rungs = climb()
    assert [rung.name for rung in rungs] == NAMES
    for rung in rungs[:5]:
        low, high = rung.interval
        assert low <= rung.images_per_s <= high and rung.difference < 1e-4
    for rung in rungs[5:]:
        assert (rung.images_per_s, rung.interval, rung.difference) == (None, None, None)
        assert rung.note and not rung.kept
    assert rungs[1].setting == "1 worker" and rungs[3].setting == "8 pictures"
    assert rungs[5].note == "IMGREC_PRECISION asks for float32"
    assert rungs[7].note == "left out by compiled=False"
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("choices", "bound"),
    [
        ({}, 1e-5),
        ({"workers": 1}, 1e-5),
        ({"resident": True}, 1e-5),
        ({"batch_size": 16}, 1e-5),
        ({"channels_last": True}, 1e-5),
        ({"precision": BFLOAT}, 5e-2),
        ({"precision": HALF}, 5e-2),
    ],
    ids=str,
)
def test_each_setup_gives_the_gradient_of_the_mean_loss(choices, bound):
    work = workload()
    model = work.model.eval()
    F.cross_entropy(model(work.images.float() / 255), work.labels).backward()
    expected = torch.cat([w.grad.flatten() for w in model.parameters()]).double()
    found = ladder_steps.gradient(replace(Setup(4), **choices), work, work.model)
    assert ladder_steps.difference(found, expected) < bound


def test_what_rounding_explains_grows_with_the_rounding_and_covers_half_precision():
    work, plain = workload(), Setup(4, resident=True)
    reference = ladder_steps.gradient(plain, work, work.model)
    setups = [plain, replace(plain, precision=HALF), replace(plain, precision=BFLOAT)]
    bounds = [ladder_steps.rounding_bound(s.eps, reference, plain, work) for s in setups]
    assert bounds[0] == 0.01 and bounds == sorted(bounds) and bounds[2] < 0.5
    for setup, bound in zip(setups, bounds, strict=True):
        found = ladder_steps.gradient(setup, work, work.model)
        assert ladder_steps.difference(found, reference) <= bound
    assert ladder_steps.rounding_bound(1.0, reference, plain, work) == 0.5
    assert replace(plain, tf32=True).eps == 2**-10 == torch.finfo(torch.float16).eps


def test_a_call_trains_on_the_pictures_that_are_counted(monkeypatch):
    sizes = []

    class Counting(models.TinyCNN):
        def forward(self, images):
            sizes.append(len(images))
            return super().forward(images)

    work = replace(workload(), model=Counting(3, width=4), images_per_call=24)
    before = [w.clone() for w in work.model.parameters()]
    monkeypatch.setattr(ladder_steps, "measure", lambda train, **_: train())
    ladder_steps.time_training(Setup(4), work)
    assert sizes == [4] * 6
    assert all(map(torch.equal, before, work.model.parameters())), "each row begins anew"


def test_a_slower_change_is_left_out_and_the_next_rows_stand_on_those_kept(scripted):
    seen = scripted([100, 80, 40, 50, 41])
    rungs = climb()
    assert [rung.kept for rung in rungs[:5]] == [True, True, True, False, True]
    assert rungs[0].images_per_s == pytest.approx(80)  # 8 pictures in 100 ms
    assert rungs[0].interval == pytest.approx((8 / 0.102, 8 / 0.098), rel=0.02)
    assert "slower, so left out again" in rungs[3].note and rungs[2].note == ""
    assert "cannot be told from the row that it stands on" in rungs[4].note
    assert seen[3].batch_size == 8 and seen[4].batch_size == 4
    assert seen[4].channels_last and seen[4].resident and seen[4].workers >= 1


def test_a_row_that_computes_something_else_is_not_timed_and_not_kept(scripted):
    seen = scripted([100, 40, 40, 40])
    rungs = climb(InWorkersOnly(lambda image: image.flip(0)))
    found = rungs[1]
    assert found.images_per_s is None and not found.kept and found.difference > 0.01
    assert found.note.startswith("another result, not timed: off by ")
    assert found.note.endswith("rounding by 0.01 at most")
    assert [setup.workers for setup in seen] == [0, 0, 0, 0]


def test_one_wrong_picture_of_sixteen_is_another_result(scripted):
    scripted([100] * 9)
    first = Noise()[0][0]
    wrong = InWorkersOnly(lambda image: 255 - image if torch.equal(image, first) else image)
    assert climb(wrong)[1].note.startswith("another result")


def test_a_row_that_fails_says_why_and_the_others_go_on(scripted):
    scripted([100, 40, 40, 40])
    rungs = climb(InWorkersOnly(refuse))
    assert rungs[1].note.startswith("failed: Caught RuntimeError in DataLoader worker process 0.")
    assert not rungs[1].kept and rungs[2].kept and len(rungs[1].note) <= 180


def test_workers_end_when_their_error_is_still_held():
    source = ladder_pictures.loaded(InWorkersOnly(refuse), 16, batch_size=4, workers=1, device=CPU)
    with pytest.raises(RuntimeError, match="the disk is gone") as held:
        next(source)
    assert multiprocessing.active_children() == [] and held.tb is not None


def test_compiling_is_timed_beside_the_training(scripted, monkeypatch):
    models_seen, timings = [], [100, 100, 100, 100, 100, 50]
    monkeypatch.setattr(torch, "compile", lambda model: models_seen.append(model) or model)
    monkeypatch.setattr(ladder_changes, "_no_compiler", lambda device: "")
    seen = scripted(timings)
    found = climb(compiled=True)[7]
    assert found.kept and "compiling and warming up took" in found.note
    assert len(models_seen) == 1 and seen[-1].compiled


def machine(**facts):
    common = {"workers": 8, "precision": BFLOAT, "capability": None, "no_half": ""}
    return Machine(**common | {"no_compiler": ""} | facts)


def reasons(facts, compiled=True):
    rows = ladder_changes.changes(facts, large=256, compiled=compiled)
    return {row.name: row.why_not for row in rows if row.why_not}


def test_which_rows_apply_follows_from_the_machine():
    assert reasons(machine(capability=(8, 0))) == {}
    t4 = reasons(machine(capability=(7, 5), precision=HALF))
    assert t4 == {"TF32": "from compute capability 8.0 on; this GPU has 7.5"}
    cpu = reasons(machine(no_half="emulated", no_compiler="no C++ compiler is here"))
    assert cpu == {
        "half precision": "emulated",
        "TF32": "only on CUDA GPUs",
        "torch.compile": "no C++ compiler is here",
        "CUDA graphs": "only on CUDA GPUs",
    }
    assert "compiled=False" in reasons(machine(), compiled=False)["torch.compile"]
    rows = ladder_changes.changes(machine(precision=HALF), large=256, compiled=True)
    assert [row.setting for row in rows[1:6]] == [
        "8 workers", "uint8, on the device", "256 pictures", "", "float16 with scaled gradients",
    ]  # fmt: skip


def test_the_machine_is_looked_at(monkeypatch):
    monkeypatch.delenv("IMGREC_PRECISION", raising=False)
    monkeypatch.setattr(ladder_changes.shutil, "which", lambda name: None)
    monkeypatch.setattr(ladder_changes, "limits", lambda: bench.Limits(0.5, 1, 64, 64))
    monkeypatch.setattr(runtime, "_cpu_multiplies_bfloat16", lambda: False)
    found = ladder_changes.look_at(CPU)
    assert (found.workers, found.capability) == (1, None)
    assert found.no_half.startswith("torch knows no bfloat16 instruction")
    assert found.no_compiler == "no C++ compiler is here"
    monkeypatch.setattr(ladder_changes, "limits", lambda: bench.Limits(48, 1, 64, 64))
    monkeypatch.setattr(runtime, "_cpu_multiplies_bfloat16", lambda: True)
    found = ladder_changes.look_at(CPU)
    assert (found.workers, found.precision, found.no_half) == (8, BFLOAT, "")
    assert "trains in float32 on mps" in ladder_changes.look_at(torch.device("mps")).no_half
    monkeypatch.setattr(ladder_changes.importlib.util, "find_spec", lambda name: None)
    assert ladder_changes._no_compiler(torch.device("cuda")) == "Triton is not installed"


def test_a_graph_computes_with_the_batch_it_is_given(monkeypatch):
    """CUDA's graph is played by one that calls the function again on the tensors it was made of."""
    taken, calls = [], []

    def backward(images, labels):
        taken[:] = images, labels
        calls.append((images.clone(), labels.clone()))
        return images.sum()

    class Graph:
        def replay(self):
            backward(*taken)

    class Stream:
        def wait_stream(self, other):
            pass

    for name, fake in {
        "CUDAGraph": Graph,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": contextlib.nullcontext,
        "graph": lambda graph, **choices: contextlib.nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    step = ladder_steps.as_graph(backward)
    batches = [(torch.full((2,), float(k)), torch.tensor([k])) for k in range(3)]
    for images, labels in batches:
        step(images, labels)
    assert len(calls) == 4 + 3, "three to warm up and one to record, then one a batch"
    for (images, labels), (found, found_labels) in zip(batches, calls[4:], strict=True):
        assert torch.equal(found, images) and torch.equal(found_labels, labels)
    assert batches[0][0].tolist() == [0, 0], "batches of the loader are not written to"


def tf32_settings():
    """All of torch's switches for float32, and the words that newer versions have beside them."""
    matmul, cudnn, found = torch.backends.cuda.matmul, torch.backends.cudnn, []
    for read in (
        lambda: matmul.allow_tf32,
        lambda: cudnn.allow_tf32,
        torch.get_float32_matmul_precision,
        lambda: matmul.fp32_precision,
        lambda: cudnn.conv.fp32_precision,
        lambda: cudnn.rnn.fp32_precision,
        lambda: torch.backends.mkldnn.matmul.fp32_precision,
    ):
        try:
            found.append(read())
        except (RuntimeError, AttributeError) as error:
            found.append(type(error))
    return found


@pytest.fixture
def tf32_put_back():
    with ladder_steps.settings_kept(CPU):
        yield


def use(**words):
    holders = {
        "matmul": torch.backends.cuda.matmul,
        "conv": getattr(torch.backends.cudnn, "conv", None),
    }
    for name, word in words.items():
        if not hasattr(holders[name], "fp32_precision"):
            pytest.skip("this torch has no words for the precision of float32 yet")
        holders[name].fp32_precision = word


@pytest.mark.parametrize(
    "choose",
    [
        lambda: None,
        lambda: torch.set_float32_matmul_precision("medium"),
        lambda: setattr(torch.backends.cudnn, "allow_tf32", False),
        lambda: use(matmul="tf32"),
        lambda: use(conv="ieee"),
    ],
    ids=["untouched", "medium", "no convolutions", "word for products", "word for convolutions"],
)
def test_settings_are_put_back_after_an_error_too(choose, tf32_put_back):
    choose()
    before, draws = tf32_settings(), torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), ladder_steps.settings_kept(CPU):
        for allowed in (False, True):
            tf32.allow(allowed)
            assert torch.backends.cuda.matmul.allow_tf32 is allowed
            assert torch.backends.cudnn.allow_tf32 is allowed
        torch.rand(3)
        raise ZeroDivisionError
    assert tf32_settings() == before
    assert torch.equal(torch.get_rng_state(), draws)


def test_a_ladder_leaves_settings_and_random_numbers_alone(scripted):
    scripted([100] * 9)
    before, draws = tf32_settings(), torch.get_rng_state()
    climb()
    assert tf32_settings() == before and torch.equal(torch.get_rng_state(), draws)


def test_both_loaders_give_the_same_batches_pass_after_pass():
    pictures = Noise()
    images, labels = ladder_pictures.resident(pictures, 8)
    sources = [
        ladder_pictures.loaded(pictures, 8, batch_size=4, workers=1, device=CPU),
        ladder_pictures.sliced(images, labels, batch_size=4, device=CPU),
    ]
    for number, read, cut in zip(range(5), *sources, strict=False):
        first = 4 * (number % 2)
        assert torch.equal(read[0], pictures.images[first : first + 4])
        assert torch.equal(cut[0], read[0]) and torch.equal(cut[1], read[1])
    assert len(multiprocessing.active_children()) == 1
    sources[0].close()
    assert multiprocessing.active_children() == []


def test_drawn_pictures_are_decoded_and_the_same_everywhere():
    pictures = bench.DrawnPictures(3)
    image, label = pictures[1]
    assert image.shape == (3, 64, 64) and image.dtype == torch.uint8 and label == 1
    assert image.float().std() > 20 and not torch.equal(image, pictures[2][0])
    again = pickle.loads(pickle.dumps(bench.DrawnPictures(3)))
    assert len(again) == 3 and torch.equal(again[1][0], image)
    assert 10_000 < sum(map(len, pictures.files)) / 3 < 40_000
    assert torch.equal(pictures[-1][0], pictures[2][0])
    with pytest.raises(IndexError):
        pictures[3]
    with pytest.raises(ValueError, match="count must be at least 1 picture; got 0"):
        bench.DrawnPictures(0)


class Items(list):
    """A dataset of any items."""


def sixteen(item):
    return Items([item] * 16)


PICTURE = torch.zeros(3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("pictures", "error", "sentence"),
    [
        (Items(), ValueError, "pictures must fill one larger batch of 8; got 0"),
        (Items([(PICTURE, 0)] * 7), ValueError, "one larger batch of 8; got 7"),
        (iter([1]), TypeError, "pictures must be a dataset with a length .* got a list_iterator"),
        (sixteen((PICTURE.float(), 0)), TypeError, "uint8 tensors; picture 0 is torch.float32"),
        (sixteen((PICTURE.numpy(), 0)), TypeError, "uint8 tensors; picture 0 is ndarray"),
        (sixteen((PICTURE[0], 0)), ValueError, r"shape \(3, H, W\); picture 0 has \(8, 8\)"),
        (sixteen((PICTURE[:1], 0)), ValueError, r"picture 0 has \(1, 8, 8\)"),
        (sixteen(PICTURE[0]), TypeError, "pairs of a picture and a label.*item 0 is none"),
        (sixteen((PICTURE, "cat")), TypeError, "pairs of a picture and a label"),
        (
            Items([(PICTURE, 0), (PICTURE[:, :4], 0)] * 8),
            ValueError,
            r"one size; picture 1 has \(4, 8\), those before it \(8, 8\)",
        ),
        (sixteen((PICTURE, 3)), ValueError, r"labels reach from 3 to 3, .* logits \(2, 3\)"),
        (sixteen((PICTURE, -1)), ValueError, "labels reach from -1 to -1"),
    ],
)
def test_pictures_that_will_not_do_are_refused(pictures, error, sentence):
    with pytest.raises(error, match=sentence):
        climb(pictures)


def test_pictures_that_change_from_look_to_look_are_refused():
    class Augmented(Noise):
        def __getitem__(self, index):
            return torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8), index % 3

    with pytest.raises(ValueError, match="pictures must be the same at each look"):
        climb(Augmented())


class Blind(nn.Linear):
    def forward(self, images):
        return super().forward(images.mean(dim=(2, 3))) * float("nan")


@pytest.mark.parametrize(
    ("choices", "error", "sentence"),
    [
        ({"build": build()}, TypeError, "build must be a function that makes a model; got a Tiny"),
        ({"build": 3}, TypeError, "a function that makes a model; got a int"),
        ({"build": lambda: 3}, TypeError, "a function that makes a model"),
        ({"build": nn.Identity}, ValueError, "with weights to train; this one has none"),
        ({"build": lambda: nn.Conv2d(3, 3, 1)}, ValueError, r"logits \(2, 3, 8, 12\)"),
        ({"build": lambda: Blind(3, 3)}, ValueError, "gradient is finite and not 0; its norm is n"),
        ({"device": "abacus"}, ValueError, "device must be one of cpu.*; got abacus"),
        ({"device": "cuda:77"}, ValueError, "device must be one of cpu.*; got cuda:77"),
        ({"seconds": 0}, ValueError, "seconds must be above 0 and finite; got 0"),
        ({"seconds": float("nan")}, ValueError, "seconds must be above 0"),
    ],
)
def test_choices_that_will_not_do_are_refused(choices, error, sentence):
    with pytest.raises(error, match=sentence):
        climb(**choices)


@pytest.mark.parametrize("sizes", [(8, 8), (8, 12), (0, 8)])
def test_batch_sizes_must_be_a_small_one_and_a_multiple(sizes):
    with pytest.raises(ValueError, match="batch size and a larger multiple of it; got"):
        bench.throughput_ladder(Noise(), build=build, device="cpu", batch_sizes=sizes)


def test_the_default_pictures_and_network_fit_each_other():
    assert ladder._count(bench.DrawnPictures(256), 256) == 256
    images, labels = ladder_pictures.resident(bench.DrawnPictures(10), 10)
    assert isinstance(ladder._built(ladder._network, images, labels), models.TinyCNN)
    assert ladder._count(Items([0] * 5000), 256) == 1024


def rung(name, rate, *, kept=True, note="", setting=""):
    interval = None if rate is None else (0.9 * rate, 1.1 * rate)
    return bench.Rung(name, rate, interval, kept and rate is not None, 0.0, note, setting)


ROWS = [
    rung("plain loop", 100.0),
    rung("loader workers", 200.0, setting="8 workers"),
    rung("larger batch", 150.0, kept=False, note="slower, so left out again"),
    rung("TF32", None, note="only on CUDA GPUs"),
    rung("CUDA graphs", 5000.0),
]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_stairs_go_on_at_the_rate_that_counts(no_figures_left):
    ax = plots.staircase(ROWS)
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert spans == [(100, 100), (100, 200), (200, 150), (200, 5000)]
    hatched = [bar.get_hatch() for bar in ax.patches]
    assert [bool(hatch) for hatch in hatched] == [False, False, True, False]
    stairs = max(ax.lines, key=lambda line: len(line.get_xdata()))
    assert list(stairs.get_xdata())[::2] == [100, 200, 200, 200, 5000]
    assert ax.get_xscale() == "log" and "images/s" in ax.get_xlabel() and ax.get_ylabel()
    low, high = ax.get_xlim()
    assert low < 90 and high > 5500


def test_numbers_reasons_and_settings_are_written(no_figures_left):
    ax = plots.staircase(ROWS)
    written = texts(ax)
    assert {"×2.00", "×0.75", "×25.0", "×50.0", "5,000", "8 workers"} <= set(written)
    assert written.count("×2.00") == 2, "as a step, and in all"
    assert written.count("×0.75") == 1, "what was not kept has no part in the whole"
    assert "only on CUDA GPUs" in written and "TF32" in written
    assert ax.get_title(loc="left") == "From 100 to 5,000 images/s: ×50.0"
    assert plots.staircase(ROWS, title="mine").get_title(loc="left") == "mine"


def test_long_notes_are_broken_and_no_row_touches_the_next(no_figures_left):
    rows = [*ROWS[:2], rung("torch.compile", None, note="no " * 90), ROWS[4]]
    ax = plots.staircase(rows)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if text.get_ha() == "left"]
    assert len(boxes) > 8
    for place, box in enumerate(boxes):
        assert box.x1 < ax.get_window_extent().x0
        assert not any(box.overlaps(other) for other in boxes[place + 1 :])


def test_small_and_large_factors_are_told_apart(no_figures_left):
    ax = plots.staircase([rung("plain loop", 1000.0), rung("loader workers", 1050.0)])
    assert "×1.05" in texts(ax)
    ax.figure.canvas.draw()
    assert len([tick for tick in ax.get_xticks() if 800 < tick < 1300]) >= 3
    rows = [rung("plain loop", 1000.0), rung("resident data", 123_000.0)]
    assert "×123" in texts(plots.staircase(rows))


def test_a_staircase_is_drawn_on_axes_that_are_given(no_figures_left):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert plots.staircase(ROWS, ax=ax) is ax


@pytest.mark.parametrize("rows", [[], ROWS[3:], ROWS[2:]])
def test_stairs_need_a_first_step(rows):
    with pytest.raises(ValueError, match="rows must begin with one that was measured and kept"):
        plots.staircase(rows)
