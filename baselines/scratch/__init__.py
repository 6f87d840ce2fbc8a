"""A convolutional network from scratch, in NumPy and for loops, to learn how one works.

These files contain all computations of a network, forward and backward, without automatic differentiation.
Read them in this order:

=====================  =============================================================================
``layer``              the interface of all layers: ``forward`` computes, ``backward`` applies the chain rule
``dense``              the weighted sum, with the simplest gradients; ``Flatten``
``activation``         ``ReLU``, without which a stack of layers would be a single linear map
``convolution``        ``Conv2D``: the same small weighted sum at every position of an image
``pooling``            ``MaxPool2D``: the maximum of each small window
``dropout``            ``Dropout``: omits random features during training
``loss``               softmax and cross-entropy, where every gradient starts
``optimizers``         ``SGD`` and ``Adam``: compute new weights from gradients
``initialisers``       the random initial weights
``network``            a sequence of layers: forward pass, backward pass, training step
``models``             the two networks
``training``           trains the networks on galaxies and writes the run folders
=====================  =============================================================================

``Dense``, ``Conv2D`` and ``MaxPool2D`` each have two implementations. The engine ``"loops"`` is the formula
in plain for loops over images, filters, rows and columns: read it first. The engine ``"vectorized"`` computes
the same numbers with matrix products and array operations, which are fast enough to train a real network.
"""
