"""Is this new? The one room that asks: of the fleet's memory, never of a worker's own.

What a worker remembers by itself is what texts say (`reading`); what is stored is the arbiter's to
know (`arbiter`), and an item carries what ties it to that (`record`).
"""
