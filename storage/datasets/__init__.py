"""What a dataset version is: its content's identity, its measures, and how both are kept.

Nothing here decides who may see it.
"""
