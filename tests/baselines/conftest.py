"""The LLVM of PyTorch's compiler is loaded before TensorFlow's: in the other order they abort the process."""

import contextlib

with contextlib.suppress(ImportError):
    import triton  # noqa: F401
