"""Azure's own addresses at home: one process answers for the vaults, the directory, ARM, models.

Nothing that is proven against it knows of it: a client is led here by the variables that every
HTTP library reads, ``HTTPS_PROXY`` and the file of trusted roots.
"""
