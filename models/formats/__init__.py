"""How weights map to formats that others read."""
