"""The LightningModule: what is trained, how, and its checkpoints."""
