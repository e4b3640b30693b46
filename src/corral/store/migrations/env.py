"""Alembic asks for this file; `corral.store.migrate` runs the migrations itself."""
