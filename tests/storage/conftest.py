from tests.s3 import s3, seaweed

__all__ = ["s3", "seaweed"]
