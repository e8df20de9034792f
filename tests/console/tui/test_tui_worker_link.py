"""The line to the worker: requests, news, and what happens when it dies."""

import asyncio
import gc
import json
import sys
from pathlib import Path

import pytest
from patience import HANG

from console.settings import Paths
from console.tui.session.worker_link import WorkerError, WorkerLink, command

SCRIPT = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    if request["do"] == "die":
        sys.stderr.write("words that no terminal may see")
        sys.exit(1)
    print(json.dumps({"event": "sync", "backend": "v", "state": "running"}))
    print("not json at all")
    if request["do"] == "fail":
        print(json.dumps({"id": request["id"], "error": "403", "hint": "Grant it."}))
    elif request["do"] != "mute":
        print(json.dumps({"id": request["id"], "echo": request["do"]}), flush=True)
    sys.stdout.flush()
"""


def run(paths: Paths, steps, words: list[str] | None = None) -> list[dict]:
    """Steps with a started link; returns the news that came."""
    paths.make()
    news: list[dict] = []

    async def main() -> None:
        link = WorkerLink(
            words or [sys.executable, "-c", SCRIPT],
            paths,
            on_news=lambda message: news.append(dict(message)),
            on_state=lambda: None,
            pauses=(0.01,),
        )
        link.start()
        try:
            async with asyncio.timeout(HANG):
                await steps(link)
        finally:
            await link.close()
        assert link._process is None or link._process.returncode is not None

    asyncio.run(main())
    return news


async def came_up(link: WorkerLink) -> None:
    while not link.up:  # noqa: ASYNC110 - a process sets no event.
        await asyncio.sleep(0.01)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "config.toml", tmp_path / "state")


def test_requests_are_answered_and_news_handed_on(paths) -> None:
    async def steps(link):
        await came_up(link)
        answers = await asyncio.gather(link.ask("one"), link.ask("two"))
        assert [answer["echo"] for answer in answers] == ["one", "two"]
        with pytest.raises(WorkerError, match="403") as caught:
            await link.ask("fail")
        assert caught.value.said == "403. Grant it."

    news = run(paths, steps)
    assert news[0] == {"event": "sync", "backend": "v", "state": "running"}


def test_a_worker_that_dies_ends_its_requests_and_another_is_started(paths) -> None:
    async def steps(link):
        await came_up(link)
        silent = asyncio.ensure_future(link.ask("mute"))
        await asyncio.sleep(0)
        with pytest.raises(WorkerError, match="ended"):
            await link.ask("die")
        with pytest.raises(WorkerError):
            await silent
        await came_up(link)
        assert (await link.ask("again"))["echo"] == "again"

    run(paths, steps)


def test_what_a_worker_prints_goes_to_a_private_file(paths) -> None:
    async def steps(link):
        await came_up(link)
        with pytest.raises(WorkerError):
            await link.ask("die")
        log = paths.state / "worker.log"
        assert log.stat().st_mode & 0o777 == 0o600

    run(paths, steps)


def test_a_worker_that_cannot_start_says_why(paths) -> None:
    async def steps(link):
        while not link.trouble:  # noqa: ASYNC110 - a process sets no event.
            await asyncio.sleep(0.01)
        with pytest.raises(WorkerError, match="cannot start"):
            await link.ask("one")

    run(paths, steps, ["/nowhere/python"])


def test_a_worker_that_refuses_the_configuration_is_quoted(paths) -> None:
    word = json.dumps({"event": "fatal", "message": "line 3 is not TOML", "hint": "Mend it."})

    async def steps(link):
        while "line 3" not in link.trouble:  # noqa: ASYNC110 - a process sets no event.
            await asyncio.sleep(0.01)

    news = run(paths, steps, [sys.executable, "-c", f"print({word!r})"])
    assert news[0]["event"] == "fatal"


def test_the_worker_ends_with_the_screen(paths) -> None:
    ended = paths.state / "ended"
    script = f"import sys; sys.stdin.read(); open({str(ended)!r}, 'w').close()"

    async def steps(link):
        await came_up(link)

    run(paths, steps, [sys.executable, "-c", script])
    assert ended.exists()


def test_the_command_names_the_paths_and_the_mode(paths) -> None:
    words = command(paths, act=True)
    assert words[1:4] == ["-I", "-m", "console.worker"]
    assert words[4:] == [str(paths.config), str(paths.state), "--act"]
    assert "--act" not in command(paths, act=False)


def test_a_defect_in_what_takes_the_news_is_heard_of_and_is_no_silence(paths) -> None:
    paths.make()
    heard: list[dict] = []

    def refuse(message) -> None:
        raise LookupError("no such widget")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: heard.append(told))
        words = [sys.executable, "-c", SCRIPT]
        link = WorkerLink(words, paths, on_news=refuse, on_state=lambda: None)
        link.start()
        try:
            async with asyncio.timeout(HANG):
                await came_up(link)
                asking = asyncio.ensure_future(link.ask("one"))
                while not heard:  # noqa: ASYNC110 - a process sets no event.
                    await asyncio.sleep(0.01)
                asking.cancel()
        finally:
            await link.close()

    asyncio.run(main())
    assert isinstance(heard[0]["exception"], LookupError)


def test_a_worker_that_ends_while_it_is_written_to_does_not_end_the_screen(paths: Paths) -> None:
    """The write fails after the end was noticed: nobody waits for the answer any more."""
    unheard: list[str] = []

    async def steps(link: WorkerLink) -> None:
        await came_up(link)
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: unheard.append(str(context.get("message")))
        )
        stdin = link._process.stdin  # type: ignore[union-attr]

        async def drain() -> None:
            link._lost()
            raise ConnectionResetError

        stdin.drain = drain  # type: ignore[method-assign, union-attr]
        with pytest.raises(WorkerError) as caught:
            await link.ask("echo")
        assert caught.value.lost, "it may have read the request before it ended"
        del caught
        gc.collect()
        await asyncio.sleep(0)

    run(paths, steps)
    assert unheard == []
