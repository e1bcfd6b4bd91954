"""The driver's dealings with Spark itself."""
