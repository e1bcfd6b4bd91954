"""References, error rates and timing errors."""
