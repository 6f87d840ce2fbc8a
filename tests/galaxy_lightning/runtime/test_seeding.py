"""Streams of random numbers: independent of each other, and unchanged by resuming a fit."""

import itertools

import torch

from galaxy_lightning.data.augment import random_frames
from galaxy_lightning.data.datamodule import GalaxyDataModule
from galaxy_lightning.runtime.seeding import Stream, seed_for


def numbers(stream, *place):
    return torch.rand(8, generator=torch.Generator().manual_seed(seed_for(stream, *place)))


def test_all_streams_have_different_numbers():
    places = [
        (seed, epoch, batch, rank) for seed, epoch, batch, rank in itertools.product(range(3), repeat=4)
    ]
    drawn = torch.stack([numbers(stream, *place) for stream in Stream for place in places])
    assert len(drawn.flatten().unique()) > 0.999 * drawn.numel()  # Values with 24 bits can occur twice.


def test_a_stream_depends_only_on_its_position():
    assert torch.equal(numbers(Stream.MODEL, 0, 5, 2, 0), numbers(Stream.MODEL, 0, 5, 2, 0))


def test_augmentation_and_dropout_are_independent():
    """The angle of each view must be independent of the dropped units."""
    angles, kept = [], []
    for batch in range(400):
        generator = torch.Generator().manual_seed(seed_for(Stream.AUGMENTATION, 0, 0, batch, 0))
        frame = random_frames(1, generator)[0]
        angles.append(torch.atan2(-frame[0, 1], frame[1, 1]))
        torch.manual_seed(seed_for(Stream.MODEL, 0, 0, batch, 0))
        kept.append(torch.rand(1)[0])
    correlation = torch.corrcoef(torch.stack([torch.stack(angles) % (2 * torch.pi), torch.stack(kept)]))[0, 1]
    assert abs(correlation) < 0.15  # Three standard errors; with a common stream the correlation would be 1.


def test_two_seeds_give_different_orders_of_the_galaxies(small_arrays):
    orders = []
    for seed in (0, 1):
        sampler = GalaxyDataModule(str(small_arrays), seed=seed).train_dataloader().sampler
        for epoch in range(3):
            sampler.set_epoch(epoch)
            orders.append(tuple(sampler))
    assert len(set(orders)) == len(orders)
