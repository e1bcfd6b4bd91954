"""What to transcribe: manifests and folders become recordings, or rows that say why not."""
