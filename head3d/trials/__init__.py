"""Trials of the whole over many people: pictures broken on purpose, the gate's calibration, the fairness audit."""
