"""What a network adds to a picture of the field: sharpness and size, nothing that the field does not show."""
