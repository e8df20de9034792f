"""How often a system is asked: never more often than it says that it takes."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backends import rate_headers
from backends.errors import RateLimited
from backends.traffic import CALM, Limit, Traffic, behind


class Clock:
    """Time that passes only while everybody sleeps, in the order in which they wake."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._wakes: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self._number += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._wakes, (self.now + seconds, self._number, turn))
        await turn

    async def run(self, *work: Awaitable[object]) -> list[object]:
        """Let these go on until all are done."""
        all_ = asyncio.gather(*work, return_exceptions=True)
        while not all_.done():
            for _ in range(12):
                await asyncio.sleep(0)
            if self._wakes and not all_.done():
                at, _, turn = heapq.heappop(self._wakes)
                self.now = max(self.now, at)
                if not turn.done():
                    turn.set_result(None)
        return await all_


class Server:
    """Takes ``size`` requests in each of its windows, which begin where it likes."""

    def __init__(self, clock: Clock, size: int, seconds: float = 1.0, phase: float = 0.0) -> None:
        self.clock, self.size, self.seconds, self.phase = clock, size, seconds, phase
        self.refused = self.taken = 0
        self._window = -1
        self._left = 0

    def take(self) -> int:
        window = int((self.clock.now - self.phase) // self.seconds)
        if window != self._window:
            self._window, self._left = window, self.size
        self._left -= 1
        self.taken += self._left >= 0
        self.refused += self._left < 0
        return 200 if self._left >= 0 else 429

    def headers(self) -> dict[str, str]:
        ends = (self._window + 1) * self.seconds + self.phase - self.clock.now
        return {
            "x-ratelimit-limit": str(self.size),
            "x-ratelimit-remaining": str(max(self._left, 0)),
            "x-ratelimit-reset": str(int(ends)),
        }


def busy(
    limit: Limit | None,
    server: Server,
    clock: Clock,
    delays: list[tuple[float, float]],
    *,
    told: bool = False,
    share: float = 1.0,
) -> Traffic:
    """Ask as often as is allowed, each request so long under way there, and back."""
    traffic = Traffic(clock=clock, sleep=clock.sleep)
    if limit is not None:
        traffic.keep([limit], share)
    gate = asyncio.Semaphore(16)

    async def one(there: float, back: float) -> None:
        async with gate, traffic.turn("/v1/any", 1e9):
            await clock.sleep(there)
            status = server.take()
            headers = server.headers() if told else {}
            await clock.sleep(back)
            traffic.seen(status, headers)

    asyncio.run(clock.run(*(one(*delay) for delay in delays)))
    return traffic


TIMES = st.floats(0.0, 1.5, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 30),
    seconds=st.sampled_from([0.5, 1.0, 2.0, 7.0]),
    phase=st.floats(0.0, 7.0),
    delays=st.lists(st.tuples(TIMES, TIMES), min_size=1, max_size=90),
)
def test_a_known_limit_is_never_exceeded_however_long_anything_takes(
    size: int, seconds: float, phase: float, delays: list[tuple[float, float]]
) -> None:
    clock = Clock()
    server = Server(clock, size, seconds, phase)
    limit = Limit(requests=size, seconds=seconds, source="a test")
    traffic = busy(limit, server, clock, delays)
    assert (server.refused, server.taken) == (0, len(delays))
    assert traffic.throttled == 0


def test_a_known_limit_is_used_as_far_as_it_goes() -> None:
    clock = Clock()
    server = Server(clock, 50, 1.0)
    busy(Limit(requests=50, source="a test"), server, clock, [(0.005, 0.005)] * 1000)
    assert clock.now - 1000.0 < 1000 / 50 * 1.15, "little of it is left unused"


def test_only_a_share_is_used_so_that_others_of_this_host_have_room() -> None:
    clock = Clock()
    server = Server(clock, 1000)
    busy(Limit(requests=50, source="a test"), server, clock, [(0.0, 0.0)] * 300, share=0.6)
    assert clock.now - 1000.0 >= 300 / 30


def test_what_headers_say_is_left_is_not_used_up() -> None:
    clock = Clock()
    server = Server(clock, 50)
    busy(None, server, clock, [(0.005, 0.005)] * 400, told=True)
    assert server.refused == 0


def test_where_nothing_tells_the_first_429_is_learned_from() -> None:
    clock = Clock()
    server = Server(clock, 50)
    first = [(0.005, 0.005)] * 200
    traffic = busy(None, server, clock, first)
    assert 0 < server.refused <= 16, "no more than were under way"
    refused = server.refused
    limit = traffic.strictest(["/v1/any"])
    assert limit is not None
    assert limit.requests <= 50
    assert "as it answered with 429" in limit.words
    assert clock.now - 1000.0 < CALM, "and is not tried again at once"
    assert server.refused == refused


def test_a_learned_pace_grows_again_after_a_while_without_429() -> None:
    clock = Clock()
    traffic = Traffic(clock=clock, sleep=clock.sleep)
    for _ in range(20):
        traffic.seen(200, {})
    traffic.seen(429, {})

    async def ask() -> None:
        async with traffic.turn("/"):
            traffic.seen(200, {})

    def pace() -> int:
        (window,) = traffic._of("/")
        return window.size

    before = pace()
    assert before == 16
    clock.now += CALM + 1
    asyncio.run(clock.run(ask()))
    assert pace() == 17


def test_retry_after_makes_everybody_wait_and_not_for_ever() -> None:
    clock = Clock()
    traffic = Traffic(clock=clock, sleep=clock.sleep)
    traffic.seen(429, {"retry-after": "7"})

    async def ask() -> float:
        async with traffic.turn("/"):
            return clock.now

    assert asyncio.run(clock.run(ask(), ask())) == [1007.0, 1007.0]
    traffic.seen(429, {"retry-after": "86400"})
    (error,) = asyncio.run(clock.run(ask()))
    assert isinstance(error, RateLimited)
    assert error.retry_after == 60.0


def test_a_window_that_is_used_up_for_long_is_said_and_nothing_leaves() -> None:
    clock = Clock()
    traffic = Traffic(clock=clock, sleep=clock.sleep)
    traffic.keep([Limit(requests=2, seconds=3600, source="its quota")], 1.0)

    async def ask() -> None:
        async with traffic.turn("/"):
            pass

    *_, error = asyncio.run(clock.run(ask(), ask(), ask()))
    assert isinstance(error, RateLimited)
    assert "2 requests in 3600 s (its quota) are used up" in str(error)


def test_a_listing_that_nobody_waits_for_lets_the_others_go_first() -> None:
    clock = Clock()
    traffic = Traffic(clock=clock, sleep=clock.sleep)
    traffic.keep([Limit(requests=10, source="a test")], 1.0)
    gone: list[str] = []

    async def one(name: str) -> None:
        await traffic.aside("/")
        async with traffic.turn("/"):
            gone.append(name)

    async def listing() -> None:
        with behind():
            await asyncio.gather(*(one("listing") for _ in range(30)))

    async def calls() -> None:
        await clock.sleep(2.5)
        await asyncio.gather(*(one("call") for _ in range(30)))

    asyncio.run(clock.run(listing(), calls()))
    assert len(gone) == 60, "and it comes to its end"
    first = gone.index("call")
    assert first >= 10, "alone, it may use all that there is"
    assert gone[first : first + 30] == ["call"] * 30


def test_the_longest_prefix_counts_and_a_wider_one_where_it_says_so() -> None:
    wide = Limit(requests=50, source="wide")
    mount = Limit(requests=500, source="mount", prefix="/v1/auth/token/")
    space = Limit(requests=100, source="space", prefix="/v1/team/", more=True)
    traffic = Traffic()
    traffic.keep([wide, mount, space])
    assert traffic.strictest(["/v1/auth/token/lookup"]) is mount
    assert traffic.strictest(["/v1/sys/mounts"]) is wide
    assert traffic.strictest(["/v1/team/below/auth/token/lookup"]) is wide


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"retry-after": "3"}, (3.0, None, None, None)),
        ({"retry-after": "Thu, 01 Jan 1970 00:16:45 GMT"}, (5.0, None, None, None)),
        ({"retry-after": "soon"}, (None, None, None, None)),
        ({"retry-after": "-5"}, (None, None, None, None)),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "9"},
         (None, 60.0, 4.0, 9.0)),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "4",
          "x-ratelimit-reset": "2000000000"}, (None, 60.0, 4.0, 1_999_999_000.0)),
        ({"ratelimit-limit": "10, 10;w=1", "ratelimit-remaining": "0", "ratelimit-reset": "1"},
         (None, 10.0, 0.0, 1.0)),
        ({"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60'},
         (None, 100.0, 50.0, 30.0)),
        ({"ratelimit": '"\x1b[2J";r=٣', "x-ratelimit-remaining": "1e9"},
         (None, None, None, None)),
    ],
)  # fmt: skip
def test_the_spellings_of_a_limit(headers: dict[str, str], found: tuple[float | None, ...]) -> None:
    assert tuple(rate_headers.read(headers, 1000.0)) == found
