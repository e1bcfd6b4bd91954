"""A transcript in the forms that people and programs take."""
