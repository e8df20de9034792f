"""What an IAM user's policies let it do: read, taken apart, and asked.

``document`` takes a policy apart, ``patterns`` matches and fills in variables, ``decide``
answers, ``elevations`` names ways to more, ``read`` gets the policies of one user.

No list of all AWS actions is kept. A pattern (``s3:Get*``) is matched against the action that
is asked about, and is shown as it stands, so nothing needs to be expanded. Packages that expand
patterns carry such a list, some 10 MB that age with every release of AWS, and would call an
action of last week unknown.
"""

from __future__ import annotations
