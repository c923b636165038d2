"""The kinds of work that a prompt can be."""

REASONING = "reasoning"
CODING = "coding"
QUICK = "quick"
VISION = "vision"
REVIEW = "review"

CATEGORIES = (REASONING, CODING, QUICK, VISION, REVIEW)
"""The five that the classifier knows. Settings may add pools under other names, which callers then ask for by name."""
