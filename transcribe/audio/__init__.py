"""A file's bytes to blocks of samples."""
