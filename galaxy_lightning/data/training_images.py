"""What is known about the images of a training, and how other images are made like them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from data_prep.common.errors import GalaxyError
from data_prep.common.json_files import read_json
from data_prep.images.image_settings import ImageSettings
from data_prep.images.pixel_scale import scales_agree
from data_prep.images.relative_scale import RelativeScale
from data_prep.schema import CUTOUTS_SETTINGS


class ImagesToPredict(NamedTuple):
    """How images to predict become pixels.

    Attributes:
        settings: The settings.
        notes: Sentences for the user on how the images differ from those of the training.
        unit: The unit of the pixel scales in ``settings``: arcsec, or the size of each galaxy.
    """

    settings: ImageSettings
    notes: Sequence[str] = ()
    unit: str = "arcsec"


class TrainingImages(NamedTuple):
    """What a checkpoint knows about the images of its training.

    Attributes:
        settings: How files became pixels; None if unknown.
        pixel_scale: Arcsec per pixel; None if unknown.
        survey: The survey, such as ``sdss``; None if unknown.
        relative_scale: The pixel scale of the files, if it depends on the size of each galaxy.
    """

    settings: ImageSettings | None = None
    pixel_scale: float | None = None
    survey: str | None = None
    relative_scale: RelativeScale | None = None

    def with_scale(self, scale: RelativeScale | None) -> "TrainingImages":
        """Returns the same with a pixel scale that people have stated, unless it is known already."""
        if scale is None or self.pixel_scale is not None:
            return self
        if scale.column is None:
            return self._replace(pixel_scale=scale.factor)
        return self._replace(relative_scale=scale)

    def to_predict(self, crop: int, pixel_scale: float | None, folder: Path | None = None) -> ImagesToPredict:
        """Returns how images to predict become pixels: like the training images, at the same pixel scale.

        Args:
            crop: The side of the model's images in pixels.
            pixel_scale: The pixel scale of the images to predict, if they have no WCS; by default that of the
                files of the training images.
            folder: The folder of the images. If it, or the one above it, was made by ``data_prep cutouts``,
                their survey and their scale are known.

        Raises:
            GalaxyError: A pixel scale is given, but that of the training images is unknown, or differs from
                galaxy to galaxy.
        """
        if pixel_scale is not None and not pixel_scale > 0:
            raise GalaxyError(f"the pixel scale must be positive, in arcsec per pixel, not {pixel_scale}")
        known = self.settings or ImageSettings(crop)
        cutouts = _read_cutouts(folder)
        stated = RelativeScale.parse(cutouts.get("pixel_scale"))
        notes = [*self._compare_surveys(cutouts), *_describe_nested(folder)]
        if self.pixel_scale is None:
            if pixel_scale is not None:
                raise GalaxyError(
                    f"data.pixel_scale: {self._describe_scale()}, so that no image can be resampled to it: "
                    "remove this option, or train on arrays made with --pixel-scale"
                )
            return self._match_sizes(known, stated, notes)
        if pixel_scale is None and stated is not None:
            if stated.column is None:
                pixel_scale = stated.factor
            elif known.stretch is None:  # FITS files state their scale in arcsec.
                return ImagesToPredict(known, [*notes, self._warn_of_scale(stated)])
        if pixel_scale is None and known.stretch is None and known.target_scale is None:
            # Without WCS, the images have the scale of the training images.
            return ImagesToPredict(known, notes)
        settings = replace(known, pixel_scale=pixel_scale or known.pixel_scale, target_scale=self.pixel_scale)
        return ImagesToPredict(settings, notes)

    def _describe_scale(self) -> str:
        scale = self.relative_scale or self.pixel_scale
        if scale is None:
            return "the pixel scale of the model's training images is unknown"
        return f"the model's training images have {scale} arcsec per pixel"

    def _compare_surveys(self, cutouts: dict[str, Any]) -> list[str]:
        """Returns a note if cutouts are of another survey than the training images."""
        survey = cutouts.get("survey")
        if not (isinstance(survey, str) and self.survey) or survey.lower() == self.survey.lower():
            return []
        return [
            f"The images are of the survey {survey[:40]!r}, but the model was trained on {self.survey!r}: "
            "its accuracy on them is unknown"
        ]

    def _match_sizes(
        self, known: ImageSettings, stated: RelativeScale | None, notes: list[str]
    ) -> ImagesToPredict:
        """Resamples cutouts whose scale depends on the same size as that of the training images."""
        own = self.relative_scale
        if own is None or stated is None:
            return ImagesToPredict(known, notes)
        same_size = (stated.column or "").lower() == str(own.column).lower()
        if same_size and scales_agree(stated.factor, own.factor):
            return ImagesToPredict(known, notes)
        # FITS files state their scale in arcsec, which cannot be compared with a size.
        if not same_size or known.stretch is not None:
            return ImagesToPredict(known, [*notes, self._warn_of_scale(stated)])
        settings = replace(known, pixel_scale=stated.factor, target_scale=own.factor)
        return ImagesToPredict(settings, notes, own.column or "arcsec")

    def _warn_of_scale(self, stated: RelativeScale) -> str:
        """Returns a note on images at a scale that cannot be compared with that of the training images."""
        own = self.relative_scale or f"{self.pixel_scale:g}"
        return (
            f"The images have {stated} arcsec per pixel, but {self._describe_scale()}: galaxies appear at "
            "other sizes than in the training, and the classification is less reliable. They are not "
            f"resampled; python -m data_prep cutouts --pixel-scale '{own}' makes such images"
        )


def _describe_nested(folder: Path | None) -> list[str]:
    """Returns a note if subfolders were made by ``data_prep cutouts``: each may have its own scale."""
    nested = [] if folder is None else sorted(folder.glob(f"*/{CUTOUTS_SETTINGS}"))
    return [
        f"Survey and pixel scale of the cutouts in {path.parent.name} are not taken into account: classify "
        "each folder of cutouts by itself"
        for path in nested[:1]
    ]


def _read_cutouts(folder: Path | None) -> dict[str, Any]:
    """Returns the settings with which ``data_prep cutouts`` has made a folder; empty for other folders.

    The images may be in subfolders of that folder.
    """
    folders = [] if folder is None else [folder, folder.absolute().parent]
    paths = (each / CUTOUTS_SETTINGS for each in folders)
    return next((read_json(path) for path in paths if path.is_file()), {})
