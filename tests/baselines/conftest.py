"""Loads PyTorch's compiler before TensorFlow: in the other order, their LLVMs abort the process."""

import torch._dynamo  # noqa: F401
