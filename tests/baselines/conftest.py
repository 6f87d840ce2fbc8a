"""Loads PyTorch's compiler before TensorFlow: in the other order, their LLVMs abort the process."""

import contextlib

with contextlib.suppress(ImportError):
    import triton  # noqa: F401
