"""`make run`: real servers, real history, real nights, one after the other."""
