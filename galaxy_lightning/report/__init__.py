"""Reports on trained models: what they get right and wrong, as a page to browse, Markdown and figures.

Run folders alone are enough; the galaxy arrays add images, votes and positions. This package needs no
torch.
"""
