"""Loaders: one module for each family of models.

A loader has a function ``load(model, weights, pooling, device, dtype) -> Extractor`` and a table ``POOLINGS`` of
what it can do. `data/models.yaml` names the loader of each model; `loading` imports it by that name.
"""
