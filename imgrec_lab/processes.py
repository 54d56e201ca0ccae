"""Several processes that train one model together: which one this is, and sums over them all.

Started by ``torchrun``, one process a GPU (or a few on the CPU). Where there is only one process,
every function here is what it would be for a group of one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from imgrec_lab import runtime

_PATIENCE = timedelta(minutes=10)  # with a process that does not answer


def rank() -> int:
    """This process's number, 0 to ``count() - 1``; number 0 prints and writes."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes train together; 1 outside of a group."""
    return dist.get_world_size() if dist.is_initialized() else 1


@contextmanager
def group() -> Iterator[None]:
    """Join the group that ``torchrun`` started this process in; a group of one without it.

    NCCL joins GPUs, one for each process; Gloo joins processes on CPUs.

    Raises:
        ConnectionError: in the processes that remain when one of them has ended.
        ValueError: if there are more processes than GPUs.
    """
    if "LOCAL_RANK" not in os.environ:
        yield
        return
    on_gpu = runtime.pick_device().type == "cuda"
    if on_gpu:
        _take_gpu(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    me = f"process {rank()} of {count()}"
    try:
        yield
        wait()  # nobody hangs up while another still listens
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise ConnectionError(
            f"{me} must hear from all the others, and one of them has ended or does not answer. "
            "See its own message above; then start the same command again: a run with a "
            "checkpoint goes on from its last epoch."
        ) from error
    finally:
        dist.destroy_process_group()


def _take_gpu(number: int) -> None:
    gpus = torch.cuda.device_count()
    if number >= gpus:
        raise ValueError(
            f"each process needs a GPU of its own; process {number} finds {gpus}. Start at most "
            f"{gpus}, or train on the CPU: set IMGREC_DEVICE=cpu."
        )
    torch.cuda.set_device(number)


def _is_lost_connection(error: RuntimeError) -> bool:
    words = ("connection", "timed out", "socket", "peer", "heartbeat")
    return isinstance(error, dist.DistError) or any(w in str(error).lower() for w in words)


def joined(model: nn.Module) -> nn.Module:
    """``model``, wrapped so that ``backward`` averages its gradients over all processes."""
    if count() == 1:
        return model
    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    return nn.parallel.DistributedDataParallel(model, device_ids=[device] if on_gpu else None)


def total(values: Tensor) -> Tensor:
    """The sum of ``values`` over all processes, in place; the same in each."""
    if count() > 1:
        dist.all_reduce(values)
    return values


def weight(pictures: int, *, device: torch.device) -> Tensor | float:
    """What this process's mean loss counts in the mean over all, times the number of processes.

    1 where all hold equally many pictures. With it, the average of gradients over the processes
    is the gradient of the mean over the whole batch, however the batch was divided.
    """
    if count() == 1:
        return 1.0
    mine = torch.tensor(float(pictures), device=device)
    return mine * count() / total(mine.clone())


def wait() -> None:
    """Wait until every process has come this far."""
    if count() > 1:
        dist.barrier()


def gather(value: Any) -> list[Any]:
    """What each process gave, in the order of their numbers; every process gets the list."""
    if count() == 1:
        return [value]
    values = [None] * count()
    dist.all_gather_object(values, value)
    return values
