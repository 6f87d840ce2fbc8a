"""From galaxy arrays and image files to batches."""
