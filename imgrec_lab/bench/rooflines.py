"""How fast a device computes and moves numbers, and what that means for a network.

Source: Williams, Waterman and Patterson 2009, Roofline, https://doi.org/10.1145/1498765.1498785.
"""

import bisect
import math
from dataclasses import dataclass

from imgrec_lab.bench.work import Operation, Work


@dataclass(frozen=True)
class Roofline:
    """What a device reaches, measured or predicted.

    Attributes:
        device: its name.
        gflops: 10^9 floating-point operations a second, by precision (float32, tf32, bfloat16,
            float16) and kind of operation.
        bandwidth_gb_s: (bytes, 10^9 bytes a second) for calls that move so many bytes; small ones
            find their numbers in a cache.
        norm_gb_s: the same of batch norms, forward and backward, which move more than they seem to.
        launch_us: what a call of each kind costs beside its work, microseconds.
        overlaps: whether calls are prepared while the device still works, as on a GPU.
        reached: which part of the roof's speed a training step of a common network had, ResNet-18,
            by precision; what was not measured counts as float32.
    """

    device: str
    gflops: dict[str, dict[str, float]]
    bandwidth_gb_s: tuple[tuple[int, float], ...]
    norm_gb_s: dict[str, float]
    launch_us: dict[str, float]
    overlaps: bool
    reached: dict[str, float]

    def bandwidth(self, num_bytes: float) -> float:
        """10^9 bytes a second of a call that moves ``num_bytes``, between the measured sizes."""
        sizes = [size for size, _ in self.bandwidth_gb_s]
        at = bisect.bisect(sizes, num_bytes)
        if at in (0, len(sizes)):
            return self.bandwidth_gb_s[min(at, len(sizes) - 1)][1]
        (low, slow), (high, fast) = self.bandwidth_gb_s[at - 1 : at + 1]
        return slow * (fast / slow) ** (math.log(num_bytes / low) / math.log(high / low))

    def seconds(self, operation: Operation, precision: str = "float32") -> float:
        """The roof over one operation: it computes or it moves, whichever takes longer."""
        speed = self.bandwidth(operation.bytes)
        moving = operation.bytes / min(speed, self.norm_gb_s.get(operation.kind, speed))
        rate = self._rates(precision).get(operation.kind)
        return max(operation.flops / rate if rate else 0.0, moving) / 1e9

    def roof_seconds(self, work: Work, precision: str = "float32") -> float:
        """The least that a training step can take: all its operations, and the calls for them."""
        busy = sum(self.seconds(operation, precision) for operation in work.operations)
        calling = self._calling_seconds(work)
        return max(busy, calling) if self.overlaps else busy + calling

    def launching(self, work: Work, precision: str = "float32") -> bool:
        """Whether the device waits for the calls, which take longer than their work."""
        return self.overlaps and self._calling_seconds(work) >= self.roof_seconds(work, precision)

    def step_seconds(self, work: Work, precision: str = "float32") -> float:
        """What a training step is likely to take."""
        reached = self.reached.get(precision, self.reached["float32"])
        return self.roof_seconds(work, precision) / reached

    def _calling_seconds(self, work: Work) -> float:
        return sum(self.launch_us[operation.kind] for operation in work.operations) / 1e6

    def _rates(self, precision: str) -> dict[str, float]:
        if precision not in self.gflops:
            raise ValueError(
                f"precision must be one of {', '.join(self.gflops)}, which {self.device} was "
                f"measured in; got {precision!r}."
            )
        return self.gflops[precision]
