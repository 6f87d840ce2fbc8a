"""Audits a trained model: what its classifications depend on, and how far the labels can be trusted."""
