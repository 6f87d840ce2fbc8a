"""The run folder that every trained model leaves. Nothing here imports torch."""
