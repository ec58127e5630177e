"""The terminal dashboard's parts: how a deck becomes lines, and the widgets that show them."""
