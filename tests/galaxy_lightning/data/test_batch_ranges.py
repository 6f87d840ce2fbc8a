"""Ranges of batches, compared with sets."""

import random

import pytest

from galaxy_lightning.data.batch_ranges import (
    count_batches,
    first_batches,
    missing_batches,
    share_of_process,
)


def numbers(ranges):
    return [batch for start, stop in ranges for batch in range(start, stop)]


@pytest.mark.parametrize("seed", range(20))
def test_every_batch_is_made_once_whatever_the_interruptions(seed):
    chance = random.Random(seed)
    batches, done, made = chance.randrange(1, 60), [], []
    while missing := missing_batches(done, batches):
        assert numbers(missing) == sorted(set(range(batches)) - set(made))
        processes = chance.randrange(1, 6)
        for rank in range(processes):
            share = share_of_process(missing, processes, rank)
            finished = first_batches(share, chance.randrange(count_batches(share) + 1))
            done += finished
            made += numbers(finished)
    assert sorted(made) == list(range(batches))


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_the_shares_are_almost_equal_and_in_order(processes):
    ranges = [(0, 3), (5, 6), (10, 19)]
    shares = [numbers(share_of_process(ranges, processes, rank)) for rank in range(processes)]
    assert [batch for share in shares for batch in share] == numbers(ranges)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
