import pytest
import torch

from galaxy_lightning.data.augment import (
    AUGMENTATIONS,
    WHOLE,
    Share,
    eight_views,
    mixup,
    random_frames,
    rotate_randomly,
)
from galaxy_lightning.data.batches import GalaxyBatch
from galaxy_lightning.networks import ReferenceCNN


def images(n=400):
    return torch.randint(0, 256, (n, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_each_image_is_turned_to_one_of_four_equally_likely_orientations():
    before = images()
    after = rotate_randomly(before, torch.Generator().manual_seed(1))
    turned = torch.stack([torch.rot90(before, k, dims=(1, 2)) for k in range(4)])
    same = (turned == after).flatten(2).all(dim=2)
    assert (same.sum(dim=0) == 1).all()
    assert ((same.sum(dim=1) - 100).abs() < 40).all()


def test_the_stored_pixels_are_not_changed():
    before = images()
    copy = before.clone()
    rotate_randomly(before, torch.Generator().manual_seed(1))
    assert torch.equal(before, copy)


def test_the_generator_determines_the_augmentation():
    numbers = torch.arange(400)
    for augment in AUGMENTATIONS.values():
        batch = GalaxyBatch(images(), numbers % 3, numbers, {})
        first, second = (augment(batch, torch.Generator().manual_seed(7), WHOLE) for _ in range(2))
        assert torch.equal(first.images, second.images)
        assert first.images.dtype == torch.uint8
        assert (first.frames is None) == (second.frames is None)
        if first.frames is not None:
            assert torch.equal(first.frames, second.frames)


@pytest.mark.parametrize("augmentation", ["quarter_turns", "any_view"])
def test_several_processes_augment_as_one(augmentation):
    augment, numbers = AUGMENTATIONS[augmentation], torch.arange(400)
    batch = GalaxyBatch(images(), numbers % 3, numbers, {})
    whole = augment(batch, torch.Generator().manual_seed(7), WHOLE)
    for rank in range(4):
        own = batch._replace(images=batch.images[rank::4], rows=numbers[rank::4])
        part = augment(own, torch.Generator().manual_seed(7), Share(4, rank))
        assert torch.equal(part.images, whole.images[rank::4])
        if whole.frames is not None:
            assert torch.equal(part.frames, whole.frames[rank::4])


def test_any_view_rotates_mirrors_zooms_and_shifts_within_bounds():
    frames = random_frames(2000, torch.Generator().manual_seed(0))
    determinants = torch.linalg.det(frames[:, :, :2])
    zoom = determinants.abs().sqrt().log()
    assert zoom.min() >= -0.2001
    assert zoom.max() <= 0.2001
    assert abs((determinants > 0).float().mean() - 0.5) < 0.05
    assert frames[:, :, 2].abs().max() <= 0.02
    angles = torch.atan2(-frames[:, 0, 1], frames[:, 1, 1])
    assert torch.histc(angles, bins=8).min() > 180


def test_a_frame_of_a_quarter_turn_turns_the_image():
    image = torch.randint(0, 256, (1, 9, 9, 3), dtype=torch.uint8)
    frame = torch.tensor([[[0.0, -1, 0], [1, 0, 0]]])
    seen, upright = (ReferenceCNN().prepare(image, each) for each in (frame, None))
    assert torch.equal(upright, image.permute(0, 3, 1, 2) / 255)
    assert any(torch.allclose(seen, torch.rot90(upright, k, dims=(2, 3)), atol=1e-6) for k in (1, 3))


def test_the_eight_views_are_different():
    image = torch.rand(1, 3, 6, 6)
    views = list(eight_views(image))
    assert len(views) == 8
    for place, view in enumerate(views):
        assert sum(torch.equal(view, other) for other in views) == 1, place


def test_mixup_blends_images_targets_and_weights_alike():
    torch.manual_seed(0)
    targets = torch.eye(4)
    pictures = targets.view(4, 4, 1, 1).expand(4, 4, 2, 2)
    mixed, blended, weights = mixup(pictures, targets, torch.arange(4.0), 0.4)
    torch.testing.assert_close(mixed[..., 0, 0], blended)
    torch.testing.assert_close(weights, blended @ torch.arange(4.0))
    assert (blended.diagonal() >= 0.5).all()
    torch.testing.assert_close(blended.sum(dim=1), torch.ones(4))
    assert mixup(pictures, targets, None, 0.4)[2] is None
