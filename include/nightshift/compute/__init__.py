"""Where Spark jobs run: a submitter a target, and what every job shares."""
