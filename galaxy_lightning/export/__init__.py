"""Trained models as files that other programs use without this package.

``classifier`` is the computation that a file contains, ``metadata`` what the file says about it;
``program_files`` writes PyTorch and ONNX files, ``hub_folder`` and ``hub_card`` a folder for the Hugging Face
hub.
"""
