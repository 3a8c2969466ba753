"""What a model's loop does: a file a task, a function of a project and plain values in each.

Each stage can be killed and run again. What passes between stages is the location of a staged set, or a plain value.
"""
