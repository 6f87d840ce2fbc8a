"""Raw Galaxy Zoo files, or tables and images of any galaxies, to galaxy arrays.

Nothing is imported here, so that ``python -m data_prep --help`` is immediate. This package
never imports torch or tensorflow.
"""
