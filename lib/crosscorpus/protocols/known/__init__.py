"""Protocols, one module each: see `protocol_parts`, and CONTRIBUTING.md for how one is added.

- `paper`: the paper's own, cross-corpus with frozen embeddings (Phukan et al. 2025)
- `emobox`: EmoBox (Ma et al. 2024)
- `serevals`: SER Evals (Osman et al. 2024)
"""
