"""Presets: yaml files that hold only what differs from the defaults of :class:`head3d.config.Config`."""
