"""An exercise of lesson 09: how long a device takes that works by itself."""

import statistics

from imgrec_lab.checks import Case, Exercise, Misconception, check_values


def honest_ms_solution(run, wait, clock, repeats: int) -> float:
    """The time of one call, on a device that works by itself.

    The first call is slow, as it compiles and allocates, and does not count. After it, `repeats`
    calls are timed, each by itself, from before it is started until its work is done.

    Args:
        run: starts the work, run(), and is back before it is done; work already asked for is done
            first. Call it repeats + 1 times.
        wait: comes back, wait(), when the device has nothing left to do.
        clock: gives the time, clock(), in seconds.
        repeats: how many calls count, at least 1.

    Returns:
        The median of the times of these calls, milliseconds.
    """
    run()
    wait()
    times = []  # seconds
    for _ in range(repeats):
        start = clock()
        run()
        wait()
        times.append(clock() - start)
    return 1000 * statistics.median(times)


class _Device:
    """Works by itself, one call after another; time passes only in ``run`` and ``wait``."""

    def __init__(self, earlier_ms: float, launch_ms: float, calls_ms: list[float]):
        self.now_ms = 5000.0
        self.done_ms = self.now_ms + earlier_ms
        self.launch_ms, self.calls_ms = launch_ms, calls_ms
        self.calls, self.was_read = 0, False

    def run(self) -> None:
        self.now_ms += self.launch_ms
        work_ms = self.calls_ms[min(self.calls, len(self.calls_ms) - 1)]
        self.done_ms = max(self.now_ms, self.done_ms) + work_ms
        self.calls += 1

    def wait(self) -> None:
        self.now_ms = max(self.now_ms, self.done_ms)

    def clock(self) -> float:
        self.was_read = True
        return self.now_ms / 1000


def _on_a_device(honest_ms, earlier_ms, launch_ms, calls_ms):
    """What the function says of a device, and what it did with it."""
    device = _Device(earlier_ms, launch_ms, calls_ms)
    got = honest_ms(device.run, device.wait, device.clock, len(calls_ms) - 1)
    if got is None or got is ...:
        return got
    number = check_values.to_tensor(got)
    if number is not None and number.ndim == 0:
        got = round(number.double().item(), 6)  # the clock's seconds are not exact in binary
    return device.was_read, got, device.calls


def _honest_ms_cases() -> list[Case]:
    return [
        Case("the first call takes 40 ms on the device, one more 4 ms", (0.0, 0.5, [40.0, 4])),
        Case("three calls count, and other work disturbs one", (0.0, 0.5, [40.0, 19, 4, 5])),
        Case("four calls count", (0.0, 0.5, [40.0, 30, 4, 6, 5])),
        Case("five calls count", (0.0, 0.5, [40.0, 5, 4, 7, 30, 6])),
        Case("calls that take longer to start", (0.0, 2.0, [90.0, 13, 7, 8])),
        Case("earlier work is not done yet", (25.0, 0.25, [60.0, 3, 9, 2, 7, 4, 50, 5])),
    ]


def _timed(run, wait, clock, repeats):
    """Milliseconds of each call, timed rightly."""
    times = []
    for _ in range(repeats):
        start = clock()
        run()
        wait()
        times.append(1000 * (clock() - start))
    return times


def _of_the_times(choose):
    """An answer that times rightly and then takes ``choose(times)``."""

    def answer(run, wait, clock, repeats):
        run()
        wait()
        return choose(_timed(run, wait, clock, repeats))

    return answer


mean = _of_the_times(statistics.mean)
fastest = _of_the_times(min)
total = _of_the_times(sum)
unsorted = _of_the_times(lambda times: times[len(times) // 2])
one_of_the_middle = [_of_the_times(f) for f in (statistics.median_high, statistics.median_low)]
seconds = _of_the_times(lambda times: statistics.median(times) / 1000)
microseconds = _of_the_times(lambda times: 1000 * statistics.median(times))
all_times = _of_the_times(lambda times: times)


def no_warm_up(run, wait, clock, repeats):
    return statistics.median(_timed(run, wait, clock, repeats))


def one_cold_call(run, wait, clock, repeats):
    return no_warm_up(run, wait, clock, 1)


def warm_up_counted(run, wait, clock, repeats):
    return statistics.median(_timed(run, wait, clock, repeats + 1))


def one_call_only(run, wait, clock, repeats):
    return honest_ms_solution(run, wait, clock, 1)


def warmed_up_twice(run, wait, clock, repeats):
    run()
    return honest_ms_solution(run, wait, clock, repeats)


def warm_up_not_awaited(run, wait, clock, repeats):
    run()
    return statistics.median(_timed(run, wait, clock, repeats))


def never_awaited(run, wait, clock, repeats):
    return honest_ms_solution(run, lambda: None, clock, repeats)


def neither_awaited_nor_warmed_up(run, wait, clock, repeats):
    return no_warm_up(run, lambda: None, clock, repeats)


def one_call_unawaited(run, wait, clock, repeats):
    return no_warm_up(run, lambda: None, clock, 1)


def awaited_before_the_call(run, wait, clock, repeats):
    run()
    wait()
    return statistics.median(_timed(wait, run, clock, repeats))


def started_late(run, wait, clock, repeats):
    run()
    wait()
    times = []
    for _ in range(repeats):
        run()
        start = clock()
        wait()
        times.append(1000 * (clock() - start))
    return statistics.median(times)


def _since(start, run, wait, clock, repeats):
    times = []
    for _ in range(repeats):
        run()
        wait()
        times.append(1000 * (clock() - start))
    return statistics.median(times)


def started_once(run, wait, clock, repeats):
    run()
    wait()
    return _since(clock(), run, wait, clock, repeats)


def time_of_day(run, wait, clock, repeats):
    run()
    wait()
    return _since(0, run, wait, clock, repeats)


def one_block(run, wait, clock, repeats):
    run()
    wait()
    start = clock()
    for _ in range(repeats):
        run()
    wait()
    return 1000 * (clock() - start) / repeats


honest_ms = Exercise(
    name="honest_ms",
    title="how long does it really take?",
    difficulty=2,
    minutes=10,
    teaches="What a clock must wait for where a device works by itself, and what to report.",
    reference=honest_ms_solution,
    why="The wait after the first call empties the device, the one inside the loop ends each "
    "measurement when the work is done and leaves nothing for the next. One disturbed call moves "
    "a mean but not a median.",
    cases=_honest_ms_cases,
    use=_on_a_device,
    returns=("whether clock() was read", "milliseconds", "calls of run()"),
    hints=(
        "run() is back at once, while the device still works. What must happen before the clock is "
        "read a second time? And what before it is read for the first time?",
        "First a call that does not count: run(), then wait(). After that, repeats times: read the "
        "clock, run(), wait(), read the clock again.",
        "times.append(clock() - start) after each wait(); at the end 1000 * "
        "statistics.median(times), after import statistics.",
    ),
    misconceptions=(
        *(
            Misconception(
                wrong,
                "The first call counts here, which compiles and allocates. Call run() and wait() "
                "once before the calls that count.",
            )
            for wrong in (no_warm_up, one_cold_call)
        ),
        Misconception(
            warm_up_counted,
            "The first call is made, but its time counts with the others. Leave it out.",
        ),
        Misconception(
            one_call_only, "Only one call is timed. Time as many as repeats says, in a loop."
        ),
        Misconception(
            warmed_up_twice,
            "Two calls do not count here. One was asked for; run() is called repeats + 1 times.",
        ),
        Misconception(
            warm_up_not_awaited,
            "The device is still busy with earlier work when the clock starts, so the first time "
            "is too long. wait() before you read the clock.",
        ),
        *(
            Misconception(
                wrong,
                "This is only how long it takes to start the work: run() is back before it is "
                "done. wait() before the clock is read again.",
            )
            for wrong in (never_awaited, neither_awaited_nor_warmed_up, one_call_unawaited)
        ),
        Misconception(
            awaited_before_the_call,
            "wait() stands before run() here, so each time holds the work of the call before. Wait "
            "between run() and the second look at the clock.",
        ),
        Misconception(
            started_late,
            "The clock starts after run(), so what it takes to start the work is missing. Read the "
            "clock before run().",
        ),
        Misconception(
            started_once,
            "The clock starts once, before all calls, so each time holds the calls before it. Read "
            "it before each call.",
        ),
        Misconception(
            time_of_day,
            "This is what the clock shows at the end. Read it before run() too, and subtract.",
        ),
        Misconception(
            mean, "This is the mean, which one disturbed call pulls up. Take the median."
        ),
        Misconception(
            one_block,
            "All calls were timed together and divided, which gives a mean: one disturbed call "
            "pulls it up. Time each call by itself and take the median.",
        ),
        Misconception(
            total, "This is the time of all calls together. Take the median, for one call."
        ),
        Misconception(
            fastest,
            "This is the fastest call: what may happen with luck. The median is what usually does.",
        ),
        Misconception(
            unsorted,
            "This is the call in the middle of the list. The median is in the middle after "
            "sorting: statistics.median(times) does both.",
        ),
        *(
            Misconception(
                wrong,
                "Of an even number of times the median lies halfway between the two in the "
                "middle; this is one of them.",
            )
            for wrong in one_of_the_middle
        ),
        Misconception(seconds, "These are seconds. A second has 1000 milliseconds."),
        Misconception(
            microseconds, "A million times seconds are microseconds; 1000 times will do."
        ),
        Misconception(
            all_times, "These are the times of all calls. Return their median.", by_shape=True
        ),
    ),
)
