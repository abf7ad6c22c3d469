"""The pool's threads live long, and say so when there is no room."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

import pytest
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars

from backend.front.pool import Full, Pool


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def pool(ended: list[str]) -> Iterator[Pool]:
    pool = Pool(1, 1, at_exit=lambda: ended.append(threading.current_thread().name))
    pool.start()
    yield pool
    pool.stop(5)


async def test_a_job_sees_what_its_caller_has_bound_and_leaves_nothing(pool: Pool) -> None:
    def rebind() -> object:
        seen = get_contextvars().get("trace_id")
        bind_contextvars(trace_id="of the job", of_the_job=True)
        return seen

    with bound_contextvars(trace_id="of the caller"):
        assert await pool.run(rebind) == "of the caller"
        assert await pool.run(get_contextvars) == {"trace_id": "of the caller"}
    assert "trace_id" not in await pool.run(get_contextvars)


async def test_one_thread_serves_one_job_after_the_other(pool: Pool) -> None:
    assert {await pool.run(threading.get_ident) for _ in range(5)} != {threading.get_ident()}
    assert len({await pool.run(threading.get_ident) for _ in range(5)}) == 1


async def test_beyond_the_queue_there_is_no_room_until_a_job_is_done(pool: Pool) -> None:
    gate = threading.Event()
    first, second = pool.run(gate.wait), pool.run(gate.wait)
    with pytest.raises(Full):
        pool.run(gate.wait)
    gate.set()
    await asyncio.gather(first, second)
    assert await pool.run(lambda: "room") == "room"


async def test_an_error_reaches_who_waits(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 / 0)


async def test_system_exit_in_a_job_ends_neither_the_thread_nor_the_server(pool: Pool) -> None:
    def leave() -> None:
        raise SystemExit(1)

    with pytest.raises(RuntimeError, match="SystemExit"):
        await pool.run(leave)
    assert await pool.run(lambda: "alive") == "alive"


async def test_a_waiter_that_was_cancelled_frees_its_room_all_the_same(pool: Pool) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    gate = threading.Event()
    futures = [pool.run(gate.wait), pool.run(gate.wait)]
    for future in futures:
        future.cancel()
    gate.set()
    while True:
        with contextlib.suppress(Full):
            assert await pool.run(lambda: "room") == "room"
            break
        await asyncio.sleep(0.01)
    assert complaints == []


async def test_a_job_that_nobody_waits_for_any_more_is_not_begun(pool: Pool) -> None:
    gate, begun = threading.Event(), threading.Event()
    first, second = pool.run(gate.wait), pool.run(begun.set)
    second.cancel()
    gate.set()
    await first
    assert await pool.run(lambda: "room") == "room"
    assert not begun.is_set()


async def test_stopping_lets_a_job_finish_and_then_ends_the_thread(
    pool: Pool, ended: list[str]
) -> None:
    gate = threading.Event()
    running = pool.run(gate.wait)
    stopping = asyncio.create_task(asyncio.to_thread(pool.stop, 5))
    await asyncio.sleep(0.01)
    assert not ended
    gate.set()
    assert await running is True
    await stopping
    assert ended == ["web-0"]


async def test_stopping_does_not_wait_for_ever(pool: Pool, ended: list[str]) -> None:
    gate = threading.Event()
    running = pool.run(gate.wait)
    await asyncio.to_thread(pool.stop, 0.01)
    assert not ended
    gate.set()
    await running
