"""Clothes of cloth: parametric garments on the fitted neck and shoulders, drawn into pictures of the field."""
