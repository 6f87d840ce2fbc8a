import threading
import time

import pytest

from data_prep.ahead import cores, work_ahead


def test_results_come_in_order_and_all_of_them():
    def work(piece):
        time.sleep(0.002 * (piece % 3))
        return piece * piece

    assert list(work_ahead(work, range(50), threads=4, depth=8)) == [piece * piece for piece in range(50)]
    assert list(work_ahead(work, [], threads=1, depth=1)) == []


def test_it_is_never_further_ahead_than_it_may_be():
    begun = []
    results = work_ahead(begun.append, range(100), threads=2, depth=5)
    for place in range(20):
        next(results)
        assert len(begun) <= place + 1 + 5
    results.close()
    assert len(begun) <= 25


def test_an_error_comes_with_its_result_and_ends_the_threads():
    def work(piece):
        threads.add(threading.current_thread())
        if piece == 7:
            raise KeyError(piece)
        return piece

    threads, found = set(), []
    with pytest.raises(KeyError):
        found.extend(work_ahead(work, range(1000), threads=2, depth=4))
    assert not any(thread.is_alive() for thread in threads)


def test_there_is_a_core():
    assert cores() >= 1
