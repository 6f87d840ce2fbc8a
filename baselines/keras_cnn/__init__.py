"""The reference's Keras CNN on TensorFlow, and its parity with the PyTorch implementation."""
