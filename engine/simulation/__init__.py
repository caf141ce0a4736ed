"""Processes played through without their surroundings: the real engine, a clock that jumps, answers instead of work."""
