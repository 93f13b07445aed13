"""The viewer: a page on which a person turns the head, chooses light and backdrop, keeps picks and gets headshots."""
