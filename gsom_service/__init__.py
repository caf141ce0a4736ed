"""Floor 2: the place of the growing self-organising map. It will read the engine's events; nothing is here yet."""
