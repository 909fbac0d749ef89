"""Where a value of the warehouse comes from: its records, files, lines and rules.

The rules of docs/decisions/0002 are applied here in Python, to the raw records. So an
explanation does not depend on the SQL of the models, and says if the two differ.
"""
