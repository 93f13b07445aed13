"""What leaves head3d, and what it says about where it came from."""
