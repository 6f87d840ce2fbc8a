"""Run folders, which hold the results of a trained model. No module here imports torch."""
