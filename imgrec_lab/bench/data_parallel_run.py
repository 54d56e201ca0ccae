"""Several processes of this machine train one model: ``bench.measure_data_parallel``."""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from imgrec_lab import models
from imgrec_lab.bench.container_limits import limits
from imgrec_lab.bench.timing import Timing, clock
from imgrec_lab.bench.training_steps import training_step
from imgrec_lab.runtime import Precision

_SIZES = tuple(2**power for power in (16, 20, 24, 26))  # bytes, up to 64 MiB
_REPEATS, _STEPS, _WARM_UPS = 7, 15, 3
_PATIENCE_S = 5.0  # with a process that has been told to end


@dataclass(frozen=True)
class DataParallelRun:
    """One process against several with the same cores, or one GPU against several.

    Attributes:
        backend: "gloo" on CPUs, "nccl" on GPUs.
        threads: that each of the processes computed with; one alone has all cores of a CPU.
        exchanges: bytes -> the time to add them up over all processes.
        batch_size: pictures a step, divided among the processes.
        alone, together: the time of a training step in one process, and in all of them.
    """

    backend: str
    processes: int
    threads: int
    exchanges: dict[int, Timing]
    batch_size: int
    alone: Timing
    together: Timing

    @property
    def images_per_s(self) -> tuple[float, float]:
        """Of one process, and of all together."""
        return tuple(1000 * self.batch_size / t.median_ms for t in (self.alone, self.together))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the comparison doubtful; threads that share a step wait for the slowest."""
        if self.backend == "gloo" and self.alone.median_ms > 2 * self.together.median_ms:
            return (
                "one process with all threads was less than half as fast as several with theirs: "
                "another program keeps a core busy; measure again when it rests",
            )
        return ()

    def bus_gb_s(self, num_bytes: int) -> float:
        """10^9 bytes a second over each link of a ring, while ``num_bytes`` were added up."""
        sent = 2 * (self.processes - 1) / self.processes * num_bytes
        return sent / self.exchanges[num_bytes].median_ms / 1e6


def measure_data_parallel(
    processes: int = 2, *, batch_size: int = 128, timeout_s: float = 120.0
) -> DataParallelRun:
    """Start processes, time how they add up tensors, and train a small network with them.

    On GPUs where there are enough, one each; else on the CPU, whose cores they share. A script
    must call this under ``if __name__ == "__main__"``, since each process reads it; a notebook
    need not. It takes ten seconds or so, half of them to start Python.

    Args:
        batch_size: of the network's step, in all processes together.
        timeout_s: after which processes that have not come back are ended.

    Raises:
        ValueError: if processes are fewer than two or more than cores, or do not divide the batch.
        RuntimeError: if a process dies; none is left behind.
        TimeoutError: if they do not come back in time; none is left behind.
    """
    on_gpus = _on_gpus(processes)
    threads = torch.get_num_threads() if on_gpus else int(limits().cores)
    _check(processes, batch_size, timeout_s, most=torch.cuda.device_count() if on_gpus else threads)
    each = threads if on_gpus else threads // processes
    times = run_processes(_measure, processes, batch_size, threads, each, timeout_s=timeout_s)
    return DataParallelRun(
        backend="nccl" if on_gpus else "gloo",
        processes=processes,
        threads=each,
        exchanges={int(size): _timing(taken) for size, taken in times["exchanges"].items()},
        batch_size=batch_size,
        alone=_timing(times["alone"]),
        together=_timing(times["together"]),
    )


def _on_gpus(processes: int) -> bool:
    return 2 <= processes <= torch.cuda.device_count()


def _check(processes: int, batch_size: int, timeout_s: float, *, most: int) -> None:
    if most < 2:
        raise ValueError(
            "this program must have at least 2 cores, one for each process; it has "
            f"{limits()}. Try a larger machine or container."
        )
    if not isinstance(processes, int) or not 2 <= processes <= most:
        raise ValueError(
            f"processes must be 2 to {most}, the cores or GPUs that count here; got {processes!r}."
        )
    if batch_size < processes or batch_size % processes:
        raise ValueError(
            f"batch_size must be a multiple of {processes} processes; got {batch_size}."
        )
    if not timeout_s > 0:
        raise ValueError(f"timeout_s must be above 0; got {timeout_s}.")


def _timing(times_ms: list[float]) -> Timing:
    return Timing(tuple(times_ms), calls=1)


# ----------------------------------------------------------------------------------- the processes


def run_processes(work: Callable[..., Any], processes: int, *args: Any, timeout_s: float) -> Any:
    """What ``work(rank, processes, *args)`` returns in the first of several joined processes.

    ``work`` must be a function of a module. The processes find each other by a file.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = mp.spawn(
            _join, args=(processes, folder, timeout_s, work, args), nprocs=processes, join=False
        )
        try:
            _wait(started, time.monotonic() + timeout_s)
        except (mp.ProcessRaisedException, mp.ProcessExitedException) as error:
            raise RuntimeError(
                f"{processes} processes must come back with a result, and one ended early: "
                f'{_reason(error)} A script must call this under if __name__ == "__main__".'
            ) from error
        finally:
            _end(started.processes)
        return json.loads((Path(folder) / "result.json").read_text())


def _wait(started: Any, until: float) -> None:
    while not started.join(timeout=max(0.05, min(1.0, until - time.monotonic()))):
        if time.monotonic() > until:
            raise TimeoutError(
                f"{len(started.processes)} processes did not come back in time and were ended. "
                "Is something else busy? Give a larger timeout_s."
            )


def _end(processes: list) -> None:
    """None is left behind, whatever happened."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _reason(error: Exception) -> str:
    """The last line of what the process said, or how it ended."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{lines[-1].rstrip('.')}."


def _join(
    rank: int, processes: int, folder: str, timeout_s: float, work: Callable, args: tuple
) -> None:
    """The life of one process: join the others, work, let the first one write."""
    on_gpus = _on_gpus(processes)
    if on_gpus:
        torch.cuda.set_device(rank)
    dist.init_process_group(
        "nccl" if on_gpus else "gloo",
        init_method=(Path(folder) / "meeting").as_uri(),
        rank=rank,
        world_size=processes,
        timeout=timedelta(seconds=timeout_s),
    )
    result = work(rank, processes, *args)
    if rank == 0:
        (Path(folder) / "result.json").write_text(json.dumps(result))
    dist.barrier()
    dist.destroy_process_group()


def _measure(
    rank: int, processes: int, batch_size: int, threads: int, each: int
) -> dict[str, Any] | None:
    """What each of the processes does; the first one also trains alone, while the others wait."""
    device = torch.device("cuda", rank) if _on_gpus(processes) else torch.device("cpu")
    found: dict[str, Any] = {}
    if rank == 0:
        torch.set_num_threads(threads)
        found["alone"] = _times_ms(_step(models.QuickCNN(10), device, batch_size), _STEPS)
    torch.set_num_threads(each)
    found["exchanges"] = {
        size: _times_ms(_exchange(size, device), _REPEATS, first=dist.barrier) for size in _SIZES
    }
    model = models.QuickCNN(10).to(device, memory_format=torch.channels_last)
    joined, pictures = nn.parallel.DistributedDataParallel(model), batch_size // processes
    step = _step(joined, device, pictures)
    found["together"] = _times_ms(step, _STEPS, first=dist.barrier)
    return found


def _exchange(num_bytes: int, device: torch.device) -> Callable[[], None]:
    numbers = torch.zeros(num_bytes // 4, device=device)
    return lambda: dist.all_reduce(numbers)


def _step(model: nn.Module, device: torch.device, pictures: int) -> Callable[[], None]:
    images = torch.rand(pictures, 3, 32, 32, device=device)
    labels = torch.zeros(pictures, dtype=torch.int64, device=device)
    return training_step(model, images, labels, precision=Precision(torch.float32))


def _times_ms(
    call: Callable[[], Any], repeats: int, *, first: Callable[[], Any] = lambda: None
) -> list[float]:
    """Milliseconds of each call; ``first`` lets all processes begin together."""
    found = []
    for _ in range(_WARM_UPS + repeats):
        first()
        start = clock()
        call()
        found.append(1000 * (clock() - start))
    return found[_WARM_UPS:]
