"""Pictures as arrays: files, colour, resampling, compositing, similarity."""
