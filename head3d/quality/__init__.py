"""Does it look like the person, from every side? Numbers, and the report that shows them."""
