"""What is done to texts between decoding and the transcript."""
