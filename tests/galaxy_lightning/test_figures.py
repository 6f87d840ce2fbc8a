import numpy as np

from galaxy_lightning.figures import confusion_matrix


def test_each_cell_holds_the_share_of_its_row_and_the_number():
    counts = np.array([[30, 5, 1], [0, 0, 0], [2, 3, 64]])
    figure = confusion_matrix(counts, ["elliptical", "irregular", "spiral"], "test")
    axes = figure.axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts[0] == "0.83\n(30)"
    assert texts[3] == "0.00\n(0)"
    assert texts[8] == "0.93\n(64)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["elliptical", "irregular", "spiral"]
    assert axes.get_xlabel() == "predicted class"
