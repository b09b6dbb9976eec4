"""MLflow, DVC, S3, serving: the only modules that talk to services."""
