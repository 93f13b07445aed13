"""Synthetic people with exact truth. T texels, H W their map or a picture, S strands, K nodes of a strand."""
