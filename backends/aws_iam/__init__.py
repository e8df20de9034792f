"""AWS IAM: the long-lived access keys of an account's users.

``client`` speaks to AWS through boto3 in threads, behind the ``door`` that lets no
changing call out without an intent; ``people`` reads users with their tags and
policies, ``keys`` their access keys, ``trail`` CloudTrail, and ``actions`` plans and
makes changes. ``backend`` puts them together as the contract wants them.
"""

from backends.aws_iam.backend import AwsIam

__all__ = ["AwsIam"]
