"""Model definitions: what a user writes, validated, and time as the loop sees it."""
