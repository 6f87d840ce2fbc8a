import threading
import time

import pytest

from data_prep.common.threads import cores, prefetch, unordered


def test_all_results_come_in_order():
    def work(piece):
        time.sleep(0.002 * (piece % 3))
        return piece * piece

    with prefetch(work, range(50), threads=4, depth=8) as results:
        assert list(results) == [piece * piece for piece in range(50)]
    with prefetch(work, [], threads=1, depth=1) as results:
        assert list(results) == []


def test_it_never_exceeds_its_lead():
    begun = []
    with prefetch(begun.append, range(100), threads=2, depth=5) as results:
        for place in range(20):
            next(results)
            assert len(begun) <= place + 1 + 5
    assert len(begun) <= 25


def test_an_error_is_raised_with_its_result_and_ends_the_threads():
    def work(piece):
        threads.add(threading.current_thread())
        if piece == 7:
            raise KeyError(piece)
        return piece

    threads, found = set(), []
    with pytest.raises(KeyError), prefetch(work, range(1000), threads=2, depth=4) as results:
        found.extend(results)
    assert not any(thread.is_alive() for thread in threads)
    assert found == list(range(7))


def test_the_threads_end_when_the_consumer_fails():
    def work(piece):
        threads.add(threading.current_thread())
        time.sleep(0.01)
        return piece

    threads = set()
    with pytest.raises(KeyError) as kept, prefetch(work, range(1000), threads=2, depth=8) as results:
        raise KeyError(next(results))
    assert kept.value.args == (0,)  # Its traceback, which still refers to the results, exists.
    assert not any(thread.is_alive() for thread in threads)


def test_the_number_of_cores_is_positive():
    assert cores() >= 1


def test_results_come_as_soon_as_they_are_there():
    first = threading.Event()

    def work(piece):
        if piece == 0:
            assert first.wait(10)
        return -piece

    with unordered(work, range(20), threads=2) as results:
        found = []
        for piece, result in results:
            assert result == -piece
            found.append(piece)
            if len(found) == 3:  # Two are taken in advance for each thread.
                first.set()
    assert sorted(found) == list(range(20))
    assert found[:3] == [1, 2, 3]
    with unordered(work, [], threads=1) as results:
        assert list(results) == []


def test_an_exception_is_the_result_of_its_piece():
    def work(piece):
        if piece == 3:
            raise KeyError(piece)
        return piece

    with unordered(work, range(6), threads=2) as results:
        found = dict(results)
    assert isinstance(found.pop(3), KeyError)
    assert found == {piece: piece for piece in (0, 1, 2, 4, 5)}


def test_the_end_of_the_block_does_not_wait_for_the_threads():
    def work(piece):
        begun.append(piece)
        ended.wait(10)

    begun, ended = [], threading.Event()
    before = time.monotonic()
    with pytest.raises(ValueError, match="enough"), unordered(work, range(100), threads=2):
        raise ValueError("enough")
    with pytest.raises(ValueError, match="enough"), unordered(work, range(100), threads=2) as results:
        threading.Timer(0.1, ended.set).start()
        next(results)
        raise ValueError("enough")
    assert time.monotonic() - before < 5
    time.sleep(0.1)
    assert len(begun) <= 6
