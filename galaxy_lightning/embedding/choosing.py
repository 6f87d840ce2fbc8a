"""Chooses the galaxies to label next, by uncertainty and diversity."""

from typing import Final

import numpy as np
import numpy.typing as npt

from data_prep.common.errors import GalaxyError
from data_prep.common.progress import progress_bar
from galaxy_lightning.evaluation.calibration import entropy

MAX_CANDIDATES: Final = 20_000
"""Maximum number of galaxies, the most uncertain ones, among which the choice is made."""
_MAX_NUMBERS: Final = 1 << 28
"""Maximum number of values of their gradient embeddings, of 4 bytes each."""
_FIRST: Final = 1e12
"""Weight of the origin in the first draw, against 1 for each galaxy."""


def choose_next(
    features: npt.NDArray[np.floating],
    probabilities: npt.NDArray[np.floating],
    number: int,
    seed: int = 0,
) -> npt.NDArray[np.int64]:
    """Chooses galaxies that the model is uncertain of, and that differ from each other, with BADGE.

    The gradient embedding of a galaxy is the gradient of the loss with respect to the weights of the last
    layer, if the predicted class were true: ``(p - onehot(predicted))`` times the features, for each class
    and feature (Ash et al. 2020, ICLR, algorithm 1). Its length grows with the uncertainty. The galaxies are
    chosen by the seeding of k-means++ (Arthur & Vassilvitskii 2007), scikit-learn's ``kmeans_plusplus``: the
    chance of each is proportional to its squared distance from the nearest of the galaxies chosen before. The
    first distance is that from the origin, the embedding of a galaxy of which the model is certain.

    Of more than ``MAX_CANDIDATES`` galaxies, the choice is among those of the highest entropy; among fewer if
    their embeddings have more than 2^28 values (1 GiB), but at least twice the number to choose.

    Args:
        features: ``[N, features]``, the inputs of the last layer.
        probabilities: ``[N, classes]``.
        number: Number of galaxies to choose.
        seed: The random seed; the same seed gives the same choice.

    Returns:
        ``[min(number, N)]`` distinct rows, in the order of the choice.

    Raises:
        GalaxyError: The shapes do not match, a value is not finite, or the number is not positive.
    """
    features, probabilities = np.asarray(features), np.asarray(probabilities)
    if features.ndim != 2 or probabilities.ndim != 2 or len(features) != len(probabilities):
        raise GalaxyError(
            f"features of shape {list(features.shape)} and probabilities of shape "
            f"{list(probabilities.shape)}: both need one row per galaxy"
        )
    if not (np.isfinite(features).all() and np.isfinite(probabilities).all()):
        raise GalaxyError("the features and probabilities must be finite: leave out the other galaxies")
    if number < 1:
        raise GalaxyError(f"the number of galaxies to choose must be at least 1, not {number}")
    size = max_candidates(features.shape[1], probabilities.shape[1], number)
    candidates = np.sort(np.argsort(-entropy(probabilities), kind="stable")[:size])
    # The origin, which has no features, comes first.
    rows = np.concatenate([candidates[:1], candidates])
    points = features[rows]
    points[0] = 0
    points = gradient_embeddings(points, probabilities[rows])
    lengths = np.linalg.norm(points[1:], axis=1)
    chosen = _spread_out(points, min(number, len(candidates)), seed)
    # Copies of one galaxy and galaxies without uncertainty are at distance 0 and may be drawn twice.
    chosen = list(dict.fromkeys(chosen))
    taken = set(chosen)
    rest = (row for row in np.argsort(-lengths, kind="stable").tolist() if row not in taken)
    chosen += [row for row, _ in zip(rest, range(min(number, len(candidates)) - len(chosen)), strict=False)]
    return np.asarray(candidates[chosen], dtype=np.int64)


def max_candidates(features: int, classes: int, number: int) -> int:
    """Returns the number of galaxies, the most uncertain ones, among which a choice is made.

    Args:
        features: Number of features.
        classes: Number of classes.
        number: Number of galaxies to choose.
    """
    return max(2 * number, min(MAX_CANDIDATES, _MAX_NUMBERS // max(features * classes, 1)))


def gradient_embeddings(
    features: npt.NDArray[np.floating], probabilities: npt.NDArray[np.floating]
) -> npt.NDArray[np.float32]:
    """Returns gradient embeddings, float32 ``[N, classes * features]``; see :func:`choose_next`.

    Args:
        features: ``[N, features]``.
        probabilities: ``[N, classes]``.
    """
    errors = np.array(probabilities, dtype=np.float32)
    errors[np.arange(len(errors)), errors.argmax(axis=1)] -= 1
    return (errors[:, :, None] * features[:, None, :].astype(np.float32)).reshape(len(errors), -1)


def _spread_out(points: npt.NDArray[np.float32], number: int, seed: int) -> list[int]:
    """Returns at most ``number`` galaxies by the seeding of k-means++, possibly with repetitions.

    Args:
        points: ``[1 + M, dimensions]`` the origin and the galaxies' embeddings.
        number: Number of galaxies.
        seed: The random seed.
    """
    from sklearn.cluster import kmeans_plusplus

    # scikit-learn draws the first point by weight alone: it is the origin, whose weight has no effect later.
    weights = np.ones(len(points))
    weights[0] = _FIRST
    # scikit-learn reports no progress: the line says what takes the time.
    text = f"choosing {number:,} of {len(points) - 1:,} galaxies"
    with progress_bar(total=1, desc=text, bar_format="{desc} ...", delay=0, leave=False):
        _, drawn = kmeans_plusplus(points, number + 1, sample_weight=weights, random_state=seed)
    return [int(row) - 1 for row in drawn if row > 0][:number]
