import torch

from galaxy_lightning.augment import AUGMENTATIONS, quarter_turns


def images(n=400):
    return torch.randint(0, 256, (n, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_each_image_is_one_of_its_four_turns_each_as_likely():
    before = images()
    after = quarter_turns(before, torch.Generator().manual_seed(1))
    turned = torch.stack([torch.rot90(before, k, dims=(1, 2)) for k in range(4)])
    same = (turned == after).flatten(2).all(dim=2)
    assert (same.sum(dim=0) == 1).all()
    assert ((same.sum(dim=1) - 100).abs() < 40).all()


def test_the_stored_pixels_are_not_touched():
    before = images()
    copy = before.clone()
    quarter_turns(before, torch.Generator().manual_seed(1))
    assert torch.equal(before, copy)


def test_the_generator_alone_decides():
    for augment in AUGMENTATIONS.values():
        first, second = (augment(images(), torch.Generator().manual_seed(7)) for _ in range(2))
        assert torch.equal(first, second)
        assert first.dtype == torch.uint8
