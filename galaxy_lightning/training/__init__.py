"""The LightningModule, with its loss, optimiser, metrics and checkpoints."""
