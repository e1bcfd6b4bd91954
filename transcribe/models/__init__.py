"""Named weights: what exists, who uses it, and its verified files on this machine."""
