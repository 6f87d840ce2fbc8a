"""Compares any number of models on the same test galaxies, from their run folders.

``jobs`` trains the requested models, ``summary`` measures all runs, ``report`` writes the report, and
``compare`` performs these steps.
"""
