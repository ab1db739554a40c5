//! The sandbox as clients see it that are not ours: boto3, from PyPI.
