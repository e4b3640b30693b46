"""`/api/v1`: the API with one envelope around every answer."""
