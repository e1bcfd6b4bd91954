"""Where recordings, manifests and tables lie: local paths and ``s3://bucket/key``, nothing else."""
