"""Raw Galaxy Zoo files to galaxy arrays: simulate, extract, preprocess, check.

Nothing is imported here, so that ``python -m data_prep --help`` is immediate. This package
never imports torch or tensorflow.
"""
