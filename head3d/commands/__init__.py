"""The commands of ``head3d``, by what they are about: options, and the call that does the work."""
