"""Extraction: a split's images through a backbone into an embedding store.

Nothing is imported here, so that decode processes, which need one small module of this package, start without loading
a network's library.
"""
