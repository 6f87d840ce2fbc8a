import threading
import time

import pytest

from data_prep.common.threads import cores, prefetch


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
