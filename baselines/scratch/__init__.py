"""A convolutional network from scratch: NumPy and for loops, to see how one works.

Everything that a network computes, forwards and backwards, is in these files; no library
differentiates anything. Read them in this order:

=====================  =============================================================================
``layer``              what every layer does: ``forward`` computes, ``backward`` applies the chain rule
``dense``              the weighted sum, where the gradients are easiest to see; ``Flatten``
``activation``         ``ReLU``, without which layers on layers would be one linear map
``convolution``        ``Conv2D``: the same small weighted sum at every place of an image
``pooling``            ``MaxPool2D``: the largest value of each small window
``dropout``            ``Dropout``: leaving features out at random while training
``loss``               softmax and cross-entropy, from which every gradient begins
``optimizers``         ``SGD`` and ``Adam``: from gradients to new weights
``initialisers``       the random weights that training begins with
``network``            layers in a row: forwards, backwards, one training step
``models``             the two networks that are made of all this
``training``           epochs over real galaxies, and the run that they leave
=====================  =============================================================================

``Dense``, ``Conv2D`` and ``MaxPool2D`` are each written twice, side by side. The engine ``"loops"``
is the formula in plain for loops over images, filters, rows and columns: read it first. The engine
``"vectorized"`` gives the same numbers from a few matrix products and whole-array operations, which
is what makes a real network trainable.
"""
