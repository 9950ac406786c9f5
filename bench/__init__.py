"""What is fast, and how we know: ratios against a named peer, measured in the same run."""
