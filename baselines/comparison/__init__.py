"""The comparison of any number of models on the same test galaxies. It reads run folders and nothing else.

``training`` makes the runs that are asked for; ``measures`` are the figures, ``summary`` puts them
together, ``report`` writes them down; ``compare`` is the whole job.
"""
