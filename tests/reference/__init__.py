"""Formulas as the papers print them, in float64: what the kernels are held against."""
