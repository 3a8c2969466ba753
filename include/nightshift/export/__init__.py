"""Versions as ONNX graphs, for programs without Python."""
