"""How older stores become the present one; run by Alembic."""
