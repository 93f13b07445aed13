"""Convolutional networks of head3d: the blocks, their weight files with cards, and how they are trained."""
