"""What a PostgreSQL role may do: the role tree, the privileges of objects, and questions.

``catalog`` reads, ``tree`` says as whom a role can act, ``rows`` puts both together, ``answer``
answers, ``elevations`` names ways to more. Source of all rules: PostgreSQL documentation,
"Privileges", "Role Membership", "Predefined Roles", "Row Security Policies", GRANT, SET ROLE.

The server's own functions (``has_table_privilege`` and the like) are not asked: they tell of one
object at a time, and of nothing that comes after ``SET ROLE``. The tests ask them.
"""

from __future__ import annotations
