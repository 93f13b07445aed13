"""Reading photos and video, and judging them."""
