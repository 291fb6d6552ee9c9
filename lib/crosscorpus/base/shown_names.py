"""Names of heads and scores as readers know them."""

HEADS = {"majority": "majority class", "logistic": "logistic regression", "svm": "SVM"}  # others: capitals
METRICS = {"accuracy": "accuracy (%)", "macro_f1": "macro-F1 (%)", "uar": "UAR (%)"}


def head_name(head: str) -> str:
    """Return the name of a head or a baseline."""
    return HEADS.get(head, head.upper())
