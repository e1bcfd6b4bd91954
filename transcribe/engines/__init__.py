"""Models at work: one protocol, an engine a module, loaded by name and kept in a bounded cache."""
