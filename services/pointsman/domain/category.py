"""The kinds of work that a prompt can be."""

REASONING = "reasoning"
CODING = "coding"
QUICK = "quick"
VISION = "vision"
REVIEW = "review"

CATEGORIES = (REASONING, CODING, QUICK, VISION, REVIEW)
"""The five that the classifier was trained on. Settings may add others, with description, examples and a pool each."""
