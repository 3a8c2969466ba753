"""Kills the loop's tasks at random instants, and shows that nothing is lost and no hand is needed: make chaos."""
