"""Config: the objects that pod templates name, whether they exist and when they changed."""
