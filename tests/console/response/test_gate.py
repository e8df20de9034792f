"""How many calls are under way at once: as many as a system answers well, and never none."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contract import Outcome, OutcomeState
from console.response.step.gate import LEAST_ROUND, Gate
from console.response.step.pace import TELL, Pace

GOOD = Outcome(state=OutcomeState.APPLIED, status="204", elapsed_ms=20)
REFUSED = Outcome(state=OutcomeState.REJECTED, status="429", elapsed_ms=20)


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def calls(gate: Gate, clock: Clock, number: int, took: float) -> None:
    """So many calls, as many at once as are let in, each answered well after so long."""

    async def go() -> None:
        async def one() -> None:
            async with gate:
                await asyncio.sleep(0)
                gate.answered(took)

        clock.now += took
        await asyncio.gather(*(one() for _ in range(number)))

    asyncio.run(go())


def test_it_grows_while_answers_stay_as_quick_and_stops_at_the_most() -> None:
    clock = Clock()
    gate = Gate(2, 16, clock=clock)
    seen = []
    for _ in range(12):
        calls(gate, clock, 16, 0.02)
        seen.append(gate.at_once)
    assert seen == sorted(seen)
    assert (seen[-1], gate.cuts, gate.why) == (16, 0, "")


def test_it_does_not_grow_where_one_call_at_a_time_is_all_there_is() -> None:
    clock = Clock()
    gate = Gate(4, 16, clock=clock)
    for _ in range(40):
        calls(gate, clock, 1, 0.02)
    assert gate.at_once == 4


def test_slow_answers_make_it_smaller_and_are_said() -> None:
    clock = Clock()
    gate = Gate(16, 16, clock=clock)
    calls(gate, clock, 16, 0.02)
    calls(gate, clock, 32, 0.6)
    assert gate.at_once < 16
    assert "answers take up to 0.6 s, of late 0.03 s" in gate.why


def test_a_system_that_became_slower_for_good_is_found_normal_again() -> None:
    clock = Clock()
    gate = Gate(16, 16, clock=clock)
    calls(gate, clock, 16, 0.01)
    for _ in range(200):
        calls(gate, clock, 16, 0.3)
    assert (gate.at_once, gate.why) == (16, "")


def test_a_refusal_halves_once_for_all_that_had_left_before() -> None:
    clock = Clock()
    gate = Gate(16, 16, clock=clock)
    clock.now += 1
    for _ in range(16):
        gate.refused("it answered 429", 0.5)
    assert (gate.at_once, gate.cuts) == (8, 1)
    assert gate.why == "from 16 to 8 at a time: it answered 429"
    clock.now += 1
    gate.refused("it answered 429", 0.5)
    assert gate.at_once == 4


def test_in_production_it_waits_for_the_canary() -> None:
    clock = Clock()
    pace = Pace("a", start=1, most=16, grows=False, clock=clock, sleep=clock.sleep)
    for _ in range(10):
        calls(pace.gate, clock, 16, 0.02)
    assert pace.gate.at_once == 1
    pace.proved()
    for _ in range(20):
        calls(pace.gate, clock, 16, 0.02)
    assert pace.gate.at_once == 16


@given(
    start=st.integers(-3, 40),
    most=st.integers(-3, 40),
    events=st.lists(
        st.one_of(
            st.floats(0, 200).map(lambda took: ("good", took)),
            st.floats(0, 200).map(lambda took: ("no", took)),
            st.floats(0, 100).map(lambda took: ("later", took)),
        ),
        max_size=120,
    ),
)
def test_it_is_never_above_the_most_nor_below_one_and_recovers(
    start: int, most: int, events: list[tuple[str, float]]
) -> None:
    clock = Clock()
    gate = Gate(start, most, clock=clock)
    for what, took in events:
        if what == "later":
            clock.now += took
        elif what == "good":
            gate.answered(took)
        else:
            gate.refused("429", took)
        assert 1 <= gate.at_once <= max(1, most)
    top = max(1, most)
    for _ in range(60 + top):
        if gate.at_once == top:
            break
        for _ in range(12):
            calls(gate, clock, max(top, LEAST_ROUND), 0.02)
    assert gate.at_once == top, "whatever happened, it comes back"


def test_never_more_inside_than_allowed_and_nobody_is_forgotten() -> None:
    async def go() -> tuple[int, int]:
        gate, inside, worst, done = Gate(3, 6), 0, 0, 0

        async def one(number: int) -> None:
            nonlocal inside, worst, done
            async with gate:
                inside += 1
                worst = max(worst, inside - gate.at_once)
                await asyncio.sleep(0)
                if number % 7 == 3:
                    gate.refused("429", 0.0)
                inside -= 1
                gate.answered(0.01)
                done += 1

        tasks = [asyncio.create_task(one(number)) for number in range(200)]
        await asyncio.sleep(0)
        for task in tasks[50:90]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return worst, done

    worst, done = asyncio.run(go())
    # One that was inside when it became smaller is not thrown out.
    assert worst <= 3
    assert done == 160


def test_after_429_nobody_has_a_turn_for_a_while_and_longer_after_the_next() -> None:
    async def go(clock: Clock) -> list[float]:
        pace = Pace("a", clock=clock, sleep=clock.sleep)
        waits = []
        for _ in range(3):
            pace.answered(REFUSED)
            before = clock.now
            await pace.turn()
            await pace.ready()
            waits.append(clock.now - before)
        pace.answered(GOOD)
        pace.answered(REFUSED)
        before = clock.now
        await pace.ready()
        return [*waits, clock.now - before]

    assert asyncio.run(go(Clock())) == pytest.approx([1.0, 2.0, 4.0, 1.0])


def test_what_slowed_it_is_said_once_and_not_more_often_than_every_ten_seconds() -> None:
    clock = Clock()
    pace = Pace("a", clock=clock, sleep=clock.sleep)
    assert pace.news() == ""
    pace.answered(REFUSED)
    assert pace.news() == "from 16 to 8 at a time: it answered 429"
    assert pace.news() == ""
    clock.now += 1
    pace.answered(REFUSED)
    assert pace.news() == ""
    clock.now += TELL
    assert pace.news() == "from 8 to 4 at a time: it answered 429"
    for _ in range(30):
        calls(pace.gate, clock, 16, 0.02)
    clock.now += TELL
    assert pace.news() == "up to 16 at a time again"


def test_a_look_that_was_refused_slows_the_calls_too() -> None:
    clock = Clock()
    pace = Pace("a", clock=clock, sleep=clock.sleep)
    pace.traffic.seen(429, {})
    pace.answered(GOOD)
    assert pace.gate.why == "from 16 to 8 at a time: it answered 429 to 1 look"
    pace.answered(GOOD)
    assert pace.gate.at_once == 8, "said once, counted once"
