"""From a fitted pipeline to its compiled form: an ONNX graph in float64, and the proof that it is right."""
