"""What one run of the nightly job is made of, on the driver."""
