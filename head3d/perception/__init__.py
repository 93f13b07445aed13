"""What a photo shows: faces, landmarks, regions, identity."""
