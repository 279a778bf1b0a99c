"""How long tests wait for what must come before they call it hung: no measure of speed, so long enough anywhere."""

PATIENCE_S = 45.0
