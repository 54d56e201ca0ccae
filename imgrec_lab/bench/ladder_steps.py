"""One configuration of the throughput ladder's training loop: its gradient, and its time."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import Dataset

from imgrec_lab.bench import ladder_pictures, tf32
from imgrec_lab.bench.timing import Timing, measure
from imgrec_lab.runtime import Precision

Backward = Callable[[Tensor, Tensor], Tensor]

_TF32_EPS = 2.0**-10  # TF32 keeps 10 bits of the fraction, as float16 does


@dataclass(frozen=True)
class Setup:
    """How a training loop is run: what one row of the ladder stands for."""

    batch_size: int
    workers: int = 0
    resident: bool = False
    channels_last: bool = False
    precision: Precision = Precision(torch.float32)
    tf32: bool = False
    compiled: bool = False
    graphs: bool = False

    @property
    def layout(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    @property
    def eps(self) -> float:
        """The relative step between neighbouring numbers, in the coarsest format it computes in."""
        return max(torch.finfo(self.precision.dtype).eps, self.tf32 * _TF32_EPS)


@dataclass(frozen=True)
class Workload:
    """What all rows share; ``images`` uint8 (N, 3, H, W) and ``labels`` are the pictures used."""

    pictures: Dataset
    images: Tensor
    labels: Tensor
    model: nn.Module  # with the weights that every row starts from
    device: torch.device
    images_per_call: int  # of the function that is timed
    seconds: float


def gradient(setup: Setup, work: Workload, model: nn.Module) -> Tensor:
    """Of the mean loss over all pictures, as one float64 vector on the CPU.

    Batch normalisation is held still (``eval``): with the statistics of its own batch, a larger
    batch would be another function, and its gradient another one by right.
    """
    tf32.allow(setup.tf32)
    model = _on_device(model, setup, work).eval()
    scaler = _scaler(setup, work)
    backward = _backward(model, setup, scaler)
    steps = len(work.images) // setup.batch_size
    total = torch.zeros(1, dtype=torch.float64)
    with contextlib.closing(_batches(setup, work)) as batches:
        for images, labels in itertools.islice(batches, steps):
            backward(images, labels)
            parts = [w.grad.flatten() for w in model.parameters() if w.grad is not None]
            # summed here and not in ``grad``, which a CUDA graph overwrites
            total = total + torch.cat(parts).cpu().double()
    return total / steps / scaler.get_scale()


def rounding_bound(eps: float, reference: Tensor, setup: Setup, work: Workload) -> float:
    """How far from ``reference`` a gradient may lie, relative to its norm, by rounding alone.

    ReLU and maxima switch at a hair's breadth, so a gradient moves by far more than one rounding,
    and by how much depends on the network: in bfloat16 by 1 to 15 %, for seven that were tried.
    Weights that are each off by up to one step of the format moved those gradients about as far,
    0.5 to 25 times what arithmetic in it did.
    """
    moved = copy.deepcopy(work.model)
    with torch.no_grad():
        for weight in moved.parameters():
            weight *= 1 + eps * (2 * torch.rand_like(weight) - 1)
    found = difference(gradient(setup, work, moved), reference)
    # a single switch may move 1 %; what is off by half is another result, whatever explains it
    return min(max(4 * found, 0.01), 0.5)


def difference(found: Tensor, reference: Tensor) -> float:
    """The norm of the difference, as a fraction of the reference's norm."""
    return ((found - reference).norm() / reference.norm()).item()


def time_training(setup: Setup, work: Workload) -> Timing:
    """The time in which ``work.images_per_call`` images are loaded and trained on."""
    tf32.allow(setup.tf32)
    model = _on_device(work.model, setup, work).train()
    scaler = _scaler(setup, work)
    backward = _backward(model, setup, scaler)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    steps = work.images_per_call // setup.batch_size
    with contextlib.closing(_batches(setup, work)) as batches:

        def train() -> None:
            for images, labels in itertools.islice(batches, steps):
                backward(images, labels)
                scaler.step(optimizer)
                scaler.update()

        least = min(0.2, work.seconds)
        return measure(train, interval=0.05, least_seconds=least, most_seconds=work.seconds)


def _batches(setup: Setup, work: Workload) -> Iterator[tuple[Tensor, Tensor]]:
    """Without end, on the device; closing it ends the workers."""
    size, device = setup.batch_size, work.device
    if setup.resident:
        return ladder_pictures.sliced(work.images, work.labels, batch_size=size, device=device)
    count, workers = len(work.images), setup.workers
    return ladder_pictures.loaded(
        work.pictures, count, batch_size=size, workers=workers, device=device
    )


def _on_device(model: nn.Module, setup: Setup, work: Workload) -> nn.Module:
    return copy.deepcopy(model).to(work.device, memory_format=setup.layout)


def _scaler(setup: Setup, work: Workload) -> torch.amp.GradScaler:
    """The loss scaler of float16; it changes nothing for other precisions."""
    # torch begins at 65536, lets the first steps overflow and skips them: no gradient to compare
    enabled = setup.precision.scale_gradients
    return torch.amp.GradScaler(work.device.type, init_scale=1024.0, enabled=enabled)


def _backward(model: nn.Module, setup: Setup, scaler: torch.amp.GradScaler) -> Backward:
    """A function of uint8 images that leaves the gradient of their mean loss in ``grad``.

    Make one for each mode of the model: a CUDA graph keeps the mode that it was made in.
    """
    device = next(model.parameters()).device
    forward = torch.compile(model) if setup.compiled else model
    autocast = contextlib.nullcontext()
    if setup.precision.dtype != torch.float32:
        # a graph must hold the casts of the weights itself, not read those of an earlier step
        autocast = torch.autocast(
            device.type, dtype=setup.precision.dtype, cache_enabled=not setup.graphs
        )

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        model.zero_grad(set_to_none=True)
        images = images.to(memory_format=setup.layout).float() / 255
        with autocast:
            loss = F.cross_entropy(forward(images), labels)
        scaler.scale(loss).backward()
        return loss.detach()

    return as_graph(backward) if setup.graphs else backward


def as_graph(backward: Backward) -> Backward:
    """The same as one CUDA graph: the GPU runs its kernels without being asked for each.

    The optimizer stays outside: with scaled gradients it asks the CPU whether to step.

    Source: https://docs.pytorch.org/docs/stable/notes/cuda.html, whole-network capture.
    """
    graph = still_images = still_labels = loss = None

    def capture(images: Tensor, labels: Tensor) -> None:
        nonlocal graph, still_images, still_labels, loss
        still_images, still_labels = images.clone(), labels.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # what is compiled, tuned or allocated once is not for the graph
                backward(still_images, still_labels)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # a loader's thread may ask for pinned memory meanwhile, which "global" would not allow
        with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
            loss = backward(still_images, still_labels)

    def replay(images: Tensor, labels: Tensor) -> Tensor:
        if graph is None:
            capture(images, labels)
        still_images.copy_(images)
        still_labels.copy_(labels)
        graph.replay()  # fills the same ``grad`` tensors again
        return loss

    return replay


@contextlib.contextmanager
def settings_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's random numbers, current GPU and TF32 settings as they were."""
    on_gpu = device.type == "cuda"
    gpu = torch.cuda.device(device) if on_gpu else contextlib.nullcontext()
    with gpu, tf32.kept(), torch.random.fork_rng([device] if on_gpu else []):
        yield
