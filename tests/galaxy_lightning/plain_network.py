"""A network without dropout, whose loss depends only on the galaxies; a command line can name it."""

from torch import nn

from galaxy_lightning.networks import Network


class PlainNetwork(Network):
    """A linear network on images of 8 x 8 pixels."""

    def __init__(self, classes: int, image_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.AvgPool2d(image_size // 8), nn.Flatten(), nn.Linear(3 * 64, classes))

    def forward(self, images):
        return self.layers(images)
