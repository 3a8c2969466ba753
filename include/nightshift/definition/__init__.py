"""Model definitions: their types, their validation, and the calendar of nights and partitions."""
